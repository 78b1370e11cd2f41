"""JSON Lines read into Parquet, piece by piece: memory doesn't grow with the file, and the outcome is that of `files`.

Lines of the common shapes are read by polars (`rows/shapes`), any other by `files` itself. What neither can begin with,
a file of another kind or one with a fault that concerns all of it, is left to `files.read` as a whole.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice, product
from pathlib import Path
from typing import NamedTuple

import polars as pl

from leaven.errors import UserError
from leaven.rows import columns as named
from leaven.rows import files, layouts, records, shapes, shards
from leaven.rows.dataset import SCHEMA, Dataset
from leaven.rows.example import Drop, Example
from leaven.rows.layouts import Layout
from leaven.rows.outcomes import Outcome
from leaven.rows.shapes import Shape

PIECE = 1 << 22
"""Bytes that are read at a time: few enough to stay in the processor's cache."""
SHAPES = 4
"""So many of the commonest shapes are read by polars."""
STEP = "read"
OTHER = (files.GZIP, b"\xff\xfe", b"\xfe\xff", b"\xef\xbb")
"""How files begin that are zipped, or not plain UTF-8."""


class _Plan(NamedTuple):
    """How the lines of a file are read."""

    path: Path
    layout: Layout
    shapes: tuple[Shape, ...]
    others: Counter[str] | None
    """How many rows came in which other format; None where one was given."""


def read(
    path: str | Path, into: Path, format: str = "auto", columns: Mapping[str, str] | None = None, strict: bool = False
) -> Outcome:
    """What `files.read` makes of the file; of JSON Lines the rows lie in `into`, those that can't be used behind them.

    Raises UserError as `files.read` does.
    """
    return _read(Path(path).expanduser(), into, format, columns or {}, strict) or files.read(
        path, format, columns=columns, strict=strict
    )


def examples(path: str | Path, format: str = "auto", columns: Mapping[str, str] | None = None) -> Iterator[Example]:
    """The usable rows of a file one after another: JSON Lines are read no further than one looks.

    Raises UserError as `files.read` does, but for a file without a usable row, which has none.
    """
    with suppress(UserError, UnicodeDecodeError):  # of the whole file: `files.read` refuses it in its own words
        if plan := _plan(Path(path).expanduser(), format, columns or {}):
            yield from _examples(plan)
            return
    yield from files.read(path, format, columns=columns).kept


def _read(path: Path, into: Path, format: str, columns: Mapping[str, str], strict: bool) -> Outcome | None:
    """None for a file that `files.read` has to read as a whole, or has to refuse in its own words."""
    dropped: list[Drop] = []
    with_nan: list[str] = []
    try:
        if (plan := _plan(path, format, columns)) is None:
            return None
        shards.write(into, lambda: _batches(plan, dropped, with_nan), SCHEMA, packed=False)
    except (UserError, UnicodeDecodeError):
        return None
    rows = Dataset.open(into)
    usable = len(rows) - len(dropped)
    if not usable or (strict and dropped):
        return None
    kept = rows.rows(range(usable)) if dropped else rows
    note = files.note(path.name, usable, dropped, plan.layout, plan.others, with_nan)
    return Outcome(Dataset(kept.table, (f"{STEP} {path.name}",)), tuple(dropped), (note,))


def _plan(path: Path, format: str, columns: Mapping[str, str]) -> _Plan | None:
    """How to read a file of JSON Lines, by its first rows; None for any other file. Raises UserError for no layout."""
    if not path.is_file() or files.kind_of(path) != ("jsonl", False) or (columns and format != "auto"):
        return None
    with path.open("rb") as file:
        if file.read(2) in OTHER:
            return None
    numbered = chain.from_iterable(_lines(start, piece).iter_rows() for start, piece in _pieces(path))
    entries = records.lines(numbered, path.name)
    start = list(islice(entries, 2))
    if len(start) < 2 or start[0].row is None:
        return None  # it may be a single value over several lines
    rows = list(islice((one.row for one in chain(start, entries) if one.row is not None), files.LOOKED_AT))
    layout = named.layout(columns, rows) if columns else layouts.detect(rows, format)
    common = Counter(shape for row in rows if (shape := shapes.of(row, layout))).most_common(SHAPES)
    others = None if columns or format != "auto" else Counter[str]()
    return _Plan(path, layout, tuple(shape for shape, _ in common), others)


def _pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number of its first line, from 1; some whole lines of the file)."""
    number, start = 1, 0
    with path.open("rb") as file:
        while True:
            file.seek(start + PIECE)
            file.readline()  # to the end of the line that begins, or goes on, there
            end = file.tell()
            file.seek(start)
            if not (piece := file.read(end - start)):
                return
            yield number, piece
            number += piece.count(b"\n")
            start = end


def _lines(start: int, piece: bytes) -> pl.DataFrame:
    """The lines of a piece (`number`, `line`), every byte as it came. Raises UnicodeDecodeError."""
    if b"\r" not in piece:  # polars takes it for a part of the line's end
        with suppress(pl.exceptions.ComputeError):  # what is not UTF-8 is said by Python
            return pl.read_lines(piece, name="line", row_index_name="number", row_index_offset=start)
    return pl.DataFrame({"line": piece.decode().split("\n")}).with_row_index("number", start)


def _examples(plan: _Plan) -> Iterator[Example]:
    """The rows that can be used, line by line."""
    for start, piece in _pieces(plan.path):
        for record in records.lines(_lines(start, piece).iter_rows(), plan.path.name):
            row = files.example(record, plan.layout, STEP, plan.others)
            if isinstance(row, Example):
                yield row


def _batches(plan: _Plan, dropped: list[Drop], with_nan: list[str]) -> Iterator[pl.DataFrame]:
    """The rows that can be used, then the others, which are added to `dropped` as well; so are places of NaN."""
    for start, piece in _pieces(plan.path):
        yield _rows(_lines(start, piece), plan, dropped, with_nan)
    yield Dataset.of(drop.example for drop in dropped).frame


def _rows(lines: pl.DataFrame, plan: _Plan, dropped: list[Drop], with_nan: list[str]) -> pl.DataFrame:
    """The rows of these lines (`number`, `line`), as a dataset has them."""
    parts = []
    for shape, select in product(plan.shapes, (shapes.plain, shapes.matching)):
        part = shapes.read(lines, select, shape, plan.layout, STEP, plan.path.name)
        parts.append(part)
        if part.height == lines.height:
            lines = lines.clear()
            break
        lines = lines.join(part, on="number", how="anti", maintain_order="left") if part.height else lines
    if lines.height:
        numbers, examples = [], []
        for record in records.lines(lines.iter_rows(), plan.path.name):
            row = files.example(record, plan.layout, STEP, plan.others)
            with_nan += [record.place] * record.has_nan
            if isinstance(row, Drop):
                dropped.append(row)
            else:
                numbers.append(int(record.place.rpartition(":")[2]))
                examples.append(row)
        number = pl.Series("number", numbers, dtype=pl.get_index_type())
        parts.append(Dataset.of(examples).frame.insert_column(0, number))
    rows = parts[0] if len(parts) == 1 else pl.concat(parts)
    return (rows if rows["number"].is_sorted() else rows.sort("number")).select(SCHEMA.names())
