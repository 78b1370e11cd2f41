"""What the commands that read rows share: the options that say how, and the last line about rows left out."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from leaven.rows.outcomes import Outcome

Format = Annotated[str, typer.Option(help="The format of the rows: auto, messages, alpaca, sharegpt …")]
Columns = Annotated[
    str, typer.Option(help="Fields of your own: question=FIELD,answer=FIELD; also system=FIELD, messages=FIELD.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a file with a row that can't be used.")]


def say_left_out(*outcomes: "Outcome") -> None:
    """The last lines of a command: rows that could not be read, where there are any."""
    from leaven.rows import files

    for outcome in outcomes:
        if sentence := files.left_out(outcome.dropped):
            print(sentence, file=sys.stderr)
