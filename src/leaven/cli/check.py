"""`leaven check`: test rows that training has seen, or rows that give a benchmark away."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from leaven.cli import rows as reading

if TYPE_CHECKING:
    from leaven.lift.contamination import Match
    from leaven.rows.dataset import Dataset
    from leaven.rows.leaks import LeaksSection

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: leaven check data.jsonl --against gsm8k.jsonl --against humaneval.jsonl.gz -o clean.jsonl"
)
def check(
    train: Annotated[str, typer.Argument(help="The rows that are trained on.")],
    test: Annotated[str, typer.Option(help="The rows that are tested on: those that overlap leave the test.")] = "",
    against: Annotated[
        list[str] | None, typer.Option(help="A benchmark (again for each): training rows that overlap leave.")
    ] = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Write the rows that are left here.")] = "",
    ngram: Annotated[int, typer.Option(min=3, help="Words in a row that two texts must share.")] = 13,
    embedder: Annotated[
        str, typer.Option(help="With --against, compare meanings too: lsa, st:MODEL, openai:MODEL. '': words alone.")
    ] = "",
    cosine: Annotated[
        float, typer.Option(min=0, max=1, help="The cosine from which two questions mean the same.")
    ] = 0.9,
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
) -> None:
    """Find rows that overlap: the same, alike, with a line or most words in common, or (--embedder) of one meaning.

    With --test, test rows that training has seen. With --against, training rows that give a benchmark away; the matches
    are listed, and in OUT.matches.jsonl with both texts. Exits with 1 where any row overlaps.
    """
    from leaven.errors import UserError
    from leaven.rows import files
    from leaven.rows.leaks import LeaksSection

    if bool(test) == bool(against):
        raise UserError("say either --test or --against", "leaven check data.jsonl --against benchmark.jsonl")
    config = LeaksSection(ngram=ngram)
    read = files.read(train, format, columns=columns, strict=strict)
    if against:
        overlaps = _against(train, read.kept, against, out, config, embedder, cosine)
    else:
        tested = files.read(test, format, columns=columns, strict=strict)
        overlaps = _test(train, read.kept, tested.kept, out, config)
        reading.say_left_out(tested)
    reading.say_left_out(read)
    if overlaps:
        raise typer.Exit(1)


def _test(train: str, data: "Dataset", tested: "Dataset", out: str, config: "LeaksSection") -> int:
    """The number of test rows that overlap, after they are listed."""
    from leaven.rows import files, leaks

    result = leaks.guard(data, {"test": tested}, None, config)
    for _, drop in result.dropped:
        print(f"{drop.example.origin.place}\t{drop.reason}\t{drop.detail}", file=reading.beside(out))
    print(f"{len(result.dropped):,} of {len(tested):,} test rows overlap with {train}.", file=reading.beside(out))
    if out:
        files.write(result.tests["test"], out)
        print(f"{len(result.tests['test']):,} rows are in {out}.", file=reading.beside(out))
    return len(result.dropped)


def _against(
    train: str, data: "Dataset", against: list[str], out: str, config: "LeaksSection", embedder: str, cosine: float
) -> int:
    """The number of rows that overlap, after they are listed."""
    from pathlib import Path

    from leaven.lift import contamination
    from leaven.rows import files

    benchmarks = {path: contamination.benchmark(path) for path in against}
    matches = contamination.by_words(data, benchmarks, config)
    if embedder:
        pairs = {(match.row, match.benchmark) for match in matches}
        fresh = _by_meaning(data, benchmarks, embedder, cosine)
        matches = sorted([*matches, *(match for match in fresh if (match.row, match.benchmark) not in pairs)])
    for match in matches:
        text = " ".join(match.evidence.split())[:100]
        place = data[match.row].origin.place
        print(f"{place}\t{match.kind} {match.share:.2f}\t{match.source}\t{text}", file=reading.beside(out))
    rows = {match.row for match in matches}
    for path, questions in benchmarks.items():
        hit = {match.source for match in matches if match.benchmark == path}
        print(f"{len(hit):,} of {len(questions):,} questions of {path} are in {train}.", file=sys.stderr)
    print(f"{len(rows):,} of {len(data):,} rows overlap with a benchmark.", file=reading.beside(out))
    if out:
        clean = data.rows([row for row in range(len(data)) if row not in rows], "check")
        files.write(clean, out)
    if out and out != "-":
        Path(f"{out}.matches.jsonl").write_text(contamination.table(data, matches), encoding="utf-8")
        print(f"The {len(clean):,} others: {out}. The matches, with both texts: {out}.matches.jsonl")
    return len(rows)


def _by_meaning(data: "Dataset", benchmarks: "dict[str, Dataset]", embedder: str, cosine: float) -> "list[Match]":
    """Rows and questions are embedded together, so that an embedder that learns from its texts sees all of them."""
    from leaven.lift import contamination, embedding
    from leaven.runs.progress import stderr

    questions = [rows for rows in benchmarks.values()]
    unit = embedding.source(embedder, "", "question", stderr())(sum(questions, start=data)).unit()
    matches, start = [], len(data)
    for name, rows in benchmarks.items():
        vectors = unit[start : start + len(rows)]
        matches += contamination.by_meaning(name, unit[: len(data)], rows, vectors, cosine)
        start += len(rows)
    return matches
