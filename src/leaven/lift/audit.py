"""The audit: a line for each row that ever existed, with its parent, its scores and ranks, the verdict and its reason.

`nearest_kept` is the kept row that is nearest to it (another one, for a row that is kept itself).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leaven.errors import UserError
from leaven.lift import lines, measure, provenance
from leaven.lift.curate import Embedded
from leaven.lift.expand import Pool
from leaven.lift.pieces import until_whole
from leaven.lift.settings import Settings
from leaven.lift.stages import stage_of
from leaven.runs import folder as runs
from leaven.scale.crew import Hire

NAME = "audit"
FILE = f"{NAME}.parquet"
SHOWN = 8
"""How many rows of one name are told of."""
PAST = {"guard": "gives no benchmark away", "variety": "varied enough", "k_center": "far from others",
        "dedup": "unlike the rows before it", "quality": "good enough"}  # fmt: skip


def write(settings: Settings, pool: Pool, embedded: Embedded, folder: Path, hire: Hire) -> None:
    """Write `audit.parquet`, the kept rows, and the figures of the summary."""
    paths = {name: folder / "stages" / f"{name}.parquet" for name in settings.order}
    stages = [lines.Stage.of(name, path) for name, path in paths.items() if path.is_file()]
    stay = np.ones(len(pool.rows), bool)
    for stage in stages:
        stay[stage.drops()] = False
    kept = np.flatnonzero(stay)
    with until_whole(folder, NAME, pool.with_alive(kept).known_by(NAME), hire) as crew:
        lines.write(folder / FILE, pool, stages, lines.Nearest.of(embedded, kept, len(pool.rows), crew))
    rows, table = pool.rows.rows(kept, "lift"), pl.scan_parquet(folder / FILE)
    rows.save(folder / "kept.parquet")
    provenance.write(rows, table, folder / "kept.jsonl")
    runs.write_json(folder / "summary.json", measure.summary(settings, pool.rows, table, embedded, kept, folder))


def read(folder: Path) -> pl.DataFrame:
    """The audit of a finished lift. Raises UserError for a folder that holds none."""
    path = folder / FILE
    if not path.is_file():
        raise runs.unfinished(folder, "lift")
    return pl.read_parquet(path)


def why(frame: pl.DataFrame, row: str) -> Iterator[str]:
    """The story of a row, line by line; it is named by its number, its place, the beginning of its id, or its words.

    Raises UserError where no row is named so, or more than a few are.
    """
    rows = _named(frame, row)
    if not rows.height:
        ways = f"Rows have numbers from 0 to {frame.height - 1:,}, places (data.jsonl:7), ids, and words in them."
        raise UserError(f"no row is called {row!r}, and none says it", ways)
    if rows.height > SHOWN:
        numbers = ", ".join(map(str, rows["row"].head(SHOWN)))
        hint = f"Give the number of one ({numbers} …), or more of its id or words."
        raise UserError(f"{rows.height:,} rows are called {row!r}, or say it", hint)
    for one in rows.iter_rows(named=True):
        yield from _story(one)
        for child in frame.filter(pl.col("parent") == one["row"]).iter_rows(named=True):
            yield f"  became row {child['row']} by {child['step']}, {_verdict(child)}"


def _named(frame: pl.DataFrame, row: str) -> pl.DataFrame:
    """The rows of this number, else of this place or id, else those whose question or answer holds these words."""
    ways = (
        pl.col("row").cast(pl.String) == row,
        (pl.col("place") == row) | pl.col("id").str.starts_with(row),
        pl.any_horizontal(_words("question", row), _words("answer", row)),
    )
    tables = (frame.filter(way) for way in ways)
    return next((rows for rows in tables if rows.height), frame.clear())


def _words(column: str, text: str) -> pl.Expr:
    """Whether the text stands in the column, whatever the case and the blanks."""
    plain = pl.col(column).str.to_lowercase().str.replace_all(r"\s+", " ")
    return plain.str.contains(" ".join(text.lower().split()), literal=True)


def _story(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"row {row['row']} ({row['id']}) {_verdict(row)}" + (f" ({row['detail']})" if row["detail"] else "")
    origin = [f"{name} {row[name]}" for name in ("round", "strategy", "model", "prompt") if row[name] is not None]
    parent = f", from row {row['parent']}" if row["parent"] is not None else ""
    yield (
        f"  came from {row['step']}{parent}"
        + (f" ({', '.join(origin)})" if origin else "")
        + f", {row['place'] or 'no place'}"
    )
    names = [column.removesuffix("_rank") for column in row if column.endswith("_rank")]
    for name in names:
        values = {key: value for key, value in row.items() if stage_of(key, names) == name}
        values.pop(f"{name}{provenance.SAID}", None)
        measures = ", ".join(
            f"{key.removeprefix(name + '_')} {_shown(value)}" for key, value in values.items() if value is not None
        )
        if measures:
            yield f"  {name}: {measures}" + (f" ({PAST.get(name, 'kept')})" if row["stage"] != name else "")
    for name, text in provenance.reasons(row).items():
        yield f"  {name} said: {text}"
    if row["nearest_kept"] is not None:
        yield f"  nearest kept row: {row['nearest_kept']} (cosine {row['nearest_cosine']:.3f})"
    yield f"  question: {_short(row['question'])}"
    yield f"  answer: {_short(row['answer'] or '(none)')}"


def _verdict(row: Mapping[str, Any]) -> str:
    if row["verdict"] == "open":
        return f"open, since its call failed at {row['stage']}: the same command asks for it again"
    return "kept" if row["verdict"] == "kept" else f"dropped by {row['stage']}: {row['reason']}"


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def _short(text: str, size: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= size else f"{line[:size]}…"
