"""What the commands that read rows share: the options that say how, and the last line about rows left out."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

if TYPE_CHECKING:
    from leaven.rows.outcomes import Outcome

Format = Annotated[str, typer.Option(help="The format of the rows: auto, messages, alpaca, sharegpt …")]
Columns = Annotated[
    str, typer.Option(help="Fields of your own: question=FIELD,answer=FIELD; also system=FIELD, messages=FIELD.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a file with a row that can't be used.")]


def beside(out: str) -> TextIO:
    """Where a command says what it did: not among the rows, where they go down a pipe."""
    return sys.stderr if out == "-" else sys.stdout


def log_of(out: str) -> Path | None:
    """Where an engine's log is written: beside the rows; a pipe has no file beside it."""
    return None if out == "-" else Path(f"{out}.log")


def write_rejects(outcome: "Outcome", out: str) -> None:
    """Write the dropped rows beside the file of the others, and say where; a pipe has no file beside it.

    Where none was dropped, those of an earlier run go.
    """
    from leaven.rows import files

    if not outcome.dropped:
        Path(f"{out}.rejects.jsonl").unlink(missing_ok=True)
    elif out == "-":
        print("The others, each with its reason, are written where the rows go into a file: -o FILE.", file=sys.stderr)
    else:
        files.write_rejects(outcome, f"{out}.rejects.jsonl")
        print(f"The others, each with its reason: {out}.rejects.jsonl")


def say_left_out(*outcomes: "Outcome") -> None:
    """The last lines of a command: rows that could not be read, where there are any."""
    from leaven.rows import files

    for outcome in outcomes:
        if sentence := files.left_out(outcome.dropped):
            print(sentence, file=sys.stderr)
