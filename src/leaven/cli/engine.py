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
from leaven.llm.settings import LLMSection

if TYPE_CHECKING:
    from leaven.llm.budget import Counted, Spend
    from leaven.llm.protocol import LLM

Engine = Annotated[str, typer.Option(help="The engine: openai:MODEL, hf:MODEL_OR_DIR, vllm:MODEL or scripted:FILE.")]
PANEL = "Engine"


def parameters() -> list[inspect.Parameter]:
    """The flags of every command that opens an engine, made from the fields of the `llm` section."""
    return adding.of(LLMSection, PANEL, without=("engine",))


FLAGS = tuple(flag.name for flag in parameters())
"""Their names."""


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the engine's flags added to its own; it reads them from its context."""
    return adding.added(parameters())(command)


def flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of all that a command was told, what was said about its engine."""
    return adding.said({name: values[name] for name in FLAGS})


@dataclass
class Rows:
    """How many rows are there so far, for work of which a row takes more replies than one."""

    made: int = 0

    def count(self, made: int) -> None:
        """Called when there are more."""
        self.made = made


@contextmanager
def opened(
    engine: str,
    what: str,
    total: int = 0,
    log: Path | None = None,
    rows: Rows | None = None,
    bare: "dict[str, LLM] | None" = None,
    run: Path | None = None,
    **options: Any,
) -> Iterator["Counted"]:
    """The engine with its store and budget, and the progress of `what`; at its end, however it comes, what was spent.

    `options` are fields of the recipe's `llm` section; `log` is a file for what the engine reports (concurrency, …).
    Progress is counted in `rows` where they are given, else in replies, and written into the folder of a `run`.
    Servers stay in `bare`, so that what is learnt about them is learnt once.
    """
    from leaven.cli.work import checked
    from leaven.llm.budget import BudgetReached, Spend
    from leaven.llm.open import open_bare, open_with_budget
    from leaven.runs.progress import stderr

    progress = stderr().within(run) if run else stderr()
    told: list[str] = []
    try:
        with progress.track(what, total, "rows" if rows else "replies") as advance, _logged(log) as logger:

            def on_reply(spend: Spend) -> None:
                advance(rows.made if rows else spend.ended, total, spend.note(), spend.tokens)

            section = checked(LLMSection, {"engine": engine, **options})
            server = (bare or {}).get(engine) or open_bare(section)
            if bare is not None and engine.startswith("openai:"):
                bare[engine] = server
            llm, spend = open_with_budget(section, on_reply, server)
            try:
                yield llm
            finally:
                ended = _sentences(spend, server)
                for sentence in ended:
                    logger.info(sentence)
                told += ended if spend.ended else []
    except BudgetReached:
        del told[:1]  # which the error says
        raise
    finally:
        for sentence in told:
            print(f"{what}: {sentence}", file=sys.stderr)


def _sentences(spend: "Spend", engine: "LLM") -> list[str]:
    """What was spent, and what each server was asked; the next piece of work is counted anew."""
    if not engine.name.startswith("openai:"):
        return [spend.sentence()]
    from leaven.llm.engines.openai import OpenAI

    assert isinstance(engine, OpenAI)
    sentences = [spend.sentence(), *engine.sentences()]
    engine.count_anew()
    return sentences


def opener(log: Path, limits: Mapping[str, Any]) -> Callable[[str, str], AbstractContextManager["Counted"]]:
    """Opens engines one after another, `(spec, what)`; the limits hold for all of them together."""
    from leaven.llm.budget import Allowance

    allowance = Allowance(limits, lambda name: f"--{name.replace('_', '-')}")
    bare: dict[str, LLM] = {}

    @contextmanager
    def open_next(spec: str, what: str) -> Iterator["Counted"]:
        with opened(spec, what, log=log, bare=bare, run=log.parent, **allowance.left(what)) as llm:
            try:
                yield llm
            finally:
                allowance.take(llm.spend)

    return open_next


@contextmanager
def _logged(path: Path | None) -> Iterator[logging.Logger]:
    logger = logging.getLogger("leaven.llm")
    if path is None:
        yield logger
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    file, console = logging.FileHandler(path, encoding="utf-8"), logging.StreamHandler()
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    console.setLevel(
        logging.WARNING
    )  # logging itself says warnings on standard error, but only where nobody handles them
    handlers: list[logging.Handler] = [file] if logging.getLogger().handlers else [file, console]
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
