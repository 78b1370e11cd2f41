"""`leaven curate`: keep the rows that a selector chooses."""

import inspect
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from leaven import plugs
from leaven.cli import engine, resume
from leaven.cli import flags as adding
from leaven.cli import rows as reading
from leaven.cli.flags import repeated
from leaven.llm.settings import LLMSection

if TYPE_CHECKING:
    from leaven.llm.budget import Spend

NO_MATTER = ("out", "strict", "continue_anyway")
"""Flags that change nothing about the rows that are kept."""
CONTEXT_FLAGS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "seed": (("seed", "0", "Another seed, another draw."),),
    "vectors": (
        (
            "embedder",
            "auto",
            "Makes the embeddings: minilm, lsa, st:MODEL, openai:MODEL, or a .py file; auto: minilm, where it was got.",
        ),
        ("embeddings", "", "Embeddings that are there already, one row each: FILE.npy, or FILE.parquet:COLUMN."),
        ("embed_text", "all", "What of a row is embedded: all (instruction, input, output), question or answer."),
    ),
    "llm": (("llm", "", "The engine that is asked: openai:MODEL, hf:MODEL_OR_DIR, vllm:MODEL or scripted:FILE."),),
    "model": (("model", "lab", "The causal model that measures: a folder, a hub id, or lab."),),
}


LIMITS = adding.of(LLMSection, "Embeddings that are paid for", called={"max_cost": "max_cost", "prices": "prices"})


class _Selectors(TyperGroup):
    """A command for each selector, its flags taken from the fields of its `Config`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return plugs.names("selectors")

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = typer.Typer(add_completion=False)
        module = plugs.load("selectors", cmd_name)
        example = f"Example: leaven curate {cmd_name} data.jsonl -o kept.jsonl {getattr(module, 'EXAMPLE', '')}"
        command.command(cmd_name, help=module.__doc__, epilog=example)(_command(module, Path(cmd_name).stem))
        return get_command(command)


app = typer.Typer(cls=_Selectors, add_completion=False, no_args_is_help=True)


@app.callback()
def curate() -> None:
    """Keep the rows that a selector chooses; the others are in OUT.rejects.jsonl, each with its reason.

    A selector of your own is named by its path: leaven curate ./mine.py data.jsonl -o kept.jsonl
    """


def _command(module: ModuleType, name: str) -> Any:
    """A function with a parameter for each flag of the selector; typer reads its signature."""

    def command(**flags: Any) -> None:
        carry_out(module, name, flags)

    command.__signature__ = inspect.Signature(list(_parameters(module)))  # type: ignore[attr-defined]
    return command


def _parameters(module: ModuleType) -> Iterator[inspect.Parameter]:
    yield _flag("data", str, inspect.Parameter.empty, typer.Argument(help="A file of rows."))
    about = typer.Option("--out", "-o", help="Where to write the rows that are kept.")
    yield _flag("out", str, inspect.Parameter.empty, about)
    for field, info in module.Config.model_fields.items():
        default = info.get_default(call_default_factory=True)
        default = list(default) if isinstance(default, tuple) else default
        yield _flag(field, repeated(info.annotation), default, typer.Option(help=info.description))
    for need in getattr(module, "NEEDS", ()):
        for flag, value, help in CONTEXT_FLAGS[need]:
            kind: type = int if flag == "seed" else str
            yield _flag(flag, kind, kind(value), typer.Option(help=help))
        if need == "llm":
            yield from engine.parameters()
        elif need == "vectors":
            yield from LIMITS
    about = typer.Option(help="The format to write: same (every row as it came), messages, alpaca, sharegpt …")
    yield _flag("to", str, "same", about)
    for name, annotation, default in (
        ("format", reading.Format, "auto"),
        ("columns", reading.Columns, ""),
        ("strict", reading.Strict, False),
        ("continue_anyway", resume.ContinueAnyway, False),
    ):
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _flag(name: str, kind: Any, default: Any, info: Any) -> inspect.Parameter:
    annotation = Annotated[kind, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def carry_out(module: ModuleType, name: str, flags: dict[str, Any]) -> None:
    """Read the rows, select, write what is kept and what is not."""
    from leaven.cli.work import checked
    from leaven.lift import embedding
    from leaven.lift import select as selecting
    from leaven.rows import files, outcomes

    data = files.read(flags["data"], flags["format"], columns=flags["columns"], strict=flags["strict"])
    checked(module.Config, {field: flags[field] for field in module.Config.model_fields})
    out, spend = flags["out"], _spending(flags)
    about = {flag: value for flag, value in flags.items() if flag not in (*engine.FLAGS, *NO_MATTER)}
    about |= {"embedder": embedding.resolved(flags["embedder"])} if "embedder" in flags else {}
    again = {"begun": Path(out).is_file(), "continue_anyway": flags["continue_anyway"]}
    if not resume.begin(out, {"selector": module.__file__, **about}, ("numpy", "polars", "scikit-learn"), **again):
        return
    with ExitStack() as stack:
        llm = None
        if flags.get("llm"):
            files.check_format(data.kept, flags["to"])
            opened = engine.opened(flags["llm"], name, len(data.kept), reading.log_of(out), **engine.flags(flags))
            llm = stack.enter_context(opened)
        settings = {key: flags[key] for key in (*module.Config.model_fields, *selecting.DEFAULTS) if key in flags}
        outcome = selecting.select(module, data.kept, settings, llm, spend)
    files.write(outcome.kept, out, flags["to"])
    for note in (*data.notes, *outcome.notes):
        print(note, file=sys.stderr)
    print(f"{name}: {outcome.summary()}. Rows: {out}", file=reading.beside(out))
    reading.write_rejects(type(outcome)(outcome.kept, (*outcome.dropped, *data.dropped)), out)
    reading.say_left_out(data)
    resume.finish(out, whole=not (outcomes.failures(outcome) or outcome.open))


def _spending(flags: dict[str, Any]) -> "Spend | None":
    """What embeddings may cost. Raises UserError for a limit where nothing is paid, or by a price that nobody knows."""
    from leaven.errors import UserError
    from leaven.lift import embedding
    from leaven.llm.open import spending

    if "embedder" not in flags:
        return None
    limits = adding.said({name: flags[name] for name in ("max_cost", "prices")})
    if not flags["embeddings"] and embedding.paid(flags["embedder"]):
        return spending(LLMSection(engine=flags["embedder"], **limits))
    for name in limits:
        by = flags["embeddings"] or flags["embedder"]
        raise UserError(
            f"--{name.replace('_', '-')} has no effect: nothing is paid for embeddings by {by}", "Leave it out."
        )
    return None
