"""`leaven check`: test rows that training has seen."""

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven check train.jsonl --test test.jsonl -o clean.jsonl")
def check(
    train: Annotated[str, typer.Argument(help="The rows that are trained on.")],
    test: Annotated[str, typer.Option(help="The rows that are tested on.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Write the test rows that are left here.")] = "",
    ngram: Annotated[int, typer.Option(min=3, help="Words in a row that two texts must share.")] = 13,
    format: Annotated[str, typer.Option(help="The format of the files.")] = "auto",
) -> None:
    """Find test rows that overlap with training rows: the same, alike, with a line or most words in common."""
    from leaven.data import files, leaks
    from leaven.sections import LeaksSection

    rows = files.read(test, format)
    found = leaks.guard(files.read(train, format).kept, {"test": rows.kept}, None, LeaksSection(ngram=ngram))
    for _, drop in found.dropped:
        print(f"{drop.example.origin.place}\t{drop.reason}\t{drop.detail}")
    print(f"{len(found.dropped):,} of {len(rows.kept):,} test rows overlap with {train}.")
    if out:
        files.write(found.tests["test"], out)
        print(f"{len(found.tests['test']):,} rows are in {out}.")
