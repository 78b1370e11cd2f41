"""What the commands that talk to a model share: the options, the opened engine, and what it spent."""

import inspect
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import flags as adding

if TYPE_CHECKING:
    from leaven.llm.budget import Counted

Engine = Annotated[str, typer.Option(help="The engine: openai:MODEL, hf:MODEL_OR_DIR, vllm:MODEL or scripted:FILE.")]
BaseUrl = Annotated[str | None, typer.Option(help="A server that speaks Chat Completions (else OPENAI_BASE_URL).")]
StoreFile = Annotated[str, typer.Option("--store", help="Where replies are kept (default: your cache); off: nowhere.")]
Concurrency = Annotated[int, typer.Option(min=1, help="Calls under way at the start; the throttle adapts it.")]
Batch = Annotated[bool, typer.Option("--batch", help="Ask by the server's batch endpoint: cheaper, within a day.")]
MaxCost = Annotated[float | None, typer.Option(min=0, help="Stop at so many dollars, to be continued.")]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Stop at so many tokens, to be continued.")]
MaxRequests = Annotated[int | None, typer.Option(min=1, help="Stop at so many calls, to be continued.")]
Prices = Annotated[str | None, typer.Option(help="A table of prices of your own (YAML).")]

FLAGS: dict[str, tuple[Any, Any]] = {
    "base_url": (BaseUrl, None),
    "store": (StoreFile, ""),
    "concurrency": (Concurrency, 64),
    "batch": (Batch, False),
    "max_cost": (MaxCost, None),
    "max_tokens": (MaxTokens, None),
    "max_requests": (MaxRequests, None),
    "prices": (Prices, None),
}
"""The flags of every command that opens an engine: annotation and default."""


def parameters() -> list[inspect.Parameter]:
    """The engine's flags as parameters of a command's function."""
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in FLAGS.items()
    ]


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the engine's flags added to its own; it reads them from its context."""
    return adding.added(parameters())(command)


def flags(given: Mapping[str, Any]) -> dict[str, Any]:
    """Of all that a command was told, what is about its engine."""
    return {name: given[name] for name in FLAGS}


@dataclass
class Rows:
    """How many rows are there so far, for work of which a row takes more replies than one."""

    made: int = 0

    def count(self, made: int) -> None:
        """Called when there are more."""
        self.made = made


@contextmanager
def opened(
    engine: str, what: str, total: int = 0, log: Path | None = None, rows: Rows | None = None, **options: Any
) -> Iterator["Counted"]:
    """The engine with its store and budget, and the progress of `what`; at its end, however it comes, what was spent.

    `options` are fields of the recipe's `llm` section; `log` is a file for what the engine reports (concurrency, …).
    Progress is counted in `rows` where they are given, else in replies.
    """
    from leaven.llm.budget import Spend
    from leaven.llm.open import open_with_budget
    from leaven.llm.settings import LLMSection
    from leaven.runs.progress import stderr

    with stderr().track(what, total, "rows" if rows else "replies") as advance, _logged(log) as logger:

        def on_reply(spend: Spend) -> None:
            advance(rows.made if rows else spend.ended, total, spend.note(), spend.tokens)

        llm, spend = open_with_budget(LLMSection.model_validate({"engine": engine, **options}), on_reply)
        try:
            yield llm
        finally:
            logger.info(spend.sentence())
    if spend.ended:
        print(spend.sentence(), file=sys.stderr)


def opener(log: Path, given: Mapping[str, Any]) -> Callable[[str, str], AbstractContextManager["Counted"]]:
    """Opens engines one after another, `(spec, what)`; the limits hold for all of them together."""
    from leaven.llm.budget import BudgetReached

    spent = {"max_requests": 0.0, "max_tokens": 0.0, "max_cost": 0.0}

    @contextmanager
    def open_next(spec: str, what: str) -> Iterator["Counted"]:
        left = {name: given[name] - used for name, used in spent.items() if given[name] is not None}
        for name, amount in left.items():
            if amount <= 0:
                raise BudgetReached(f"the budget is used up before {what}: --{name.replace('_', '-')} {given[name]:g}")
        with opened(spec, what, log=log, **{**given, **left}) as llm:
            try:
                yield llm
            finally:
                for name, used in zip(spent, (llm.spend.requests, llm.spend.tokens, llm.spend.cost or 0), strict=True):
                    spent[name] += used

    return open_next


@contextmanager
def _logged(path: Path | None) -> Iterator[logging.Logger]:
    logger = logging.getLogger("leaven.llm")
    if path is None:
        yield logger
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    file, said = logging.FileHandler(path, encoding="utf-8"), logging.StreamHandler()
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    said.setLevel(logging.WARNING)  # logging itself says warnings on standard error, but only where nobody handles them
    handlers: list[logging.Handler] = [file] if logging.getLogger().handlers else [file, said]
    level = logger.level
    logger.setLevel(logging.INFO)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.setLevel(level)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
