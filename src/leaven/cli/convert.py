"""`leaven convert`: rows from one format and kind of file to another."""

import sys
from shlex import quote
from typing import Annotated

import typer

from leaven.cli import rows as reading

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven convert alpaca.json --to messages -o rows.jsonl.gz")
def convert(
    rows: Annotated[str, typer.Argument(help="A file of rows, or - for standard input.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Where to write them, or - for standard output.")] = "-",
    to: Annotated[str, typer.Option(help="messages, alpaca, sharegpt or prompt-completion.")] = "messages",
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
) -> None:
    """Read rows in one format and write them in another; rows that can't be used go to OUT.rejects.jsonl."""
    from leaven.rows import files

    outcome = files.read(rows, format, columns=columns, strict=strict)
    files.write(outcome.kept, out, to)
    print(outcome.notes[0], file=sys.stderr)
    count = "1 row" if len(outcome.kept) == 1 else f"{len(outcome.kept):,} rows"
    print(f"{count} in the format {to}: {out}", file=reading.beside(out))
    reading.write_rejects(outcome, out)
    reading.say_left_out(outcome)
    if out != "-":
        print(f"Next: leaven check {quote(out)}")
