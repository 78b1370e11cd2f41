"""`leaven check`: what rows are like, test rows that training has seen, or rows that give a benchmark away."""

import sys
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from leaven.cli import rows as reading

if TYPE_CHECKING:
    from leaven.lift.contamination import Match
    from leaven.rows.dataset import Dataset
    from leaven.rows.leaks import LeaksSection
    from leaven.rows.outcomes import Outcome

LOOKED_AT = 10_000
"""Answers whose format is looked at where rows are described."""

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: leaven check data.jsonl --against gsm8k.jsonl --against humaneval.jsonl.gz -o clean.jsonl"
)
def check(
    train: Annotated[str, typer.Argument(help="The rows that are trained on; alone, they are described.")],
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
    """Say what rows are like, or find those that overlap with others.

    Rows overlap that are the same, alike, have a line or most words in common, or (--embedder) one meaning. With
    --test, test rows that training has seen. With --against, training rows that give a benchmark away; the matches are
    listed, and in OUT.matches.jsonl with both texts. Exits with 1 where any row overlaps.
    """
    from leaven.errors import UserError
    from leaven.rows import files
    from leaven.rows.leaks import LeaksSection

    if test and against:
        raise UserError("say either --test or --against", "leaven check data.jsonl --against benchmark.jsonl")
    alone = not test and not against
    if out and alone:
        raise UserError("-o is for rows that overlap with no others", "Say which others: --test or --against FILE.")
    if embedder and not against:
        raise UserError("--embedder compares rows with a benchmark", "Say which: --against FILE.")
    config = LeaksSection(ngram=ngram)
    read = files.read(train, format, columns=columns, strict=strict)
    if alone:
        return _describe(train, read)
    if against:
        overlaps = _against(train, read.kept, against, out, config, embedder, cosine)
    else:
        tested = files.read(test, format, columns=columns, strict=strict)
        overlaps = _test(train, read.kept, tested.kept, out, config)
        reading.say_left_out(tested)
    reading.say_left_out(read)
    if overlaps:
        raise typer.Exit(1)


def _describe(train: str, read: "Outcome") -> None:
    """Say what the rows are like, and what their answers have in common."""
    from itertools import islice

    from leaven.rows import description, texts
    from leaven.task import format as formats

    print(read.notes[0])
    for sentence in description.sentences(read.kept):
        print(sentence)
    answers = [text for text in islice(texts.strings(read.kept, "answer"), LOOKED_AT) if text]
    first = f"Of the first {LOOKED_AT:,} rows " if len(read.kept) > LOOKED_AT else ""
    print(f"{first}{formats.infer(answers)[1]}")
    print(f"Next: leaven delia {quote(train)} --model smollm2, or leaven lift {quote(train)} --llm ENGINE.")


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
