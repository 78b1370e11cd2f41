"""The audit: a line for each row that ever existed, with its parent, its scores and ranks, the verdict and its reason.

`nearest_kept` is the kept row that is nearest to it (another one, for a row that is kept itself).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leaven.errors import UserError
from leaven.lift import measure, provenance
from leaven.lift.curate import Embedded
from leaven.lift.neighbours import nearest
from leaven.lift.settings import Settings
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import FAILED
from leaven.runs import folder as runs

SHOWN = 8
"""How many rows of one name are told of."""
PAST = {"guard": "gives no benchmark away", "variety": "varied enough", "k_center": "far from others",
        "dedup": "unlike the rows before it", "quality": "good enough"}  # fmt: skip


def write(settings: Settings, pool: Dataset, embedded: Embedded, folder: Path) -> None:
    """Write `audit.parquet`, the kept rows, and the figures of the summary."""
    frame = _origins(pool)
    for name in settings.order:
        path = folder / "stages" / f"{name}.parquet"
        if path.is_file():
            frame = _with_stage(frame, name, pl.read_parquet(path))
    dropped = pl.col("stage") != ""
    verdict = pl.when(pl.col("reason") == FAILED).then(pl.lit("open")).when(dropped).then(pl.lit("dropped"))
    frame = frame.with_columns(verdict=verdict.otherwise(pl.lit("kept")))
    kept = frame.filter(pl.col("verdict") == "kept")["row"].to_list()
    unit, numbers = embedded.vectors.unit(), list(embedded.numbers)
    frame = frame.join(_neighbours(unit, numbers, kept), on="row", how="left", maintain_order="left")
    runs.write(folder / "audit.parquet", frame.write_parquet)
    rows = pool.rows(kept, "lift")
    rows.save(folder / "kept.parquet")
    provenance.write(rows, frame, folder / "kept.jsonl")
    runs.write_json(folder / "summary.json", measure.summary(settings, pool, frame, unit, numbers, kept, folder))


def _origins(pool: Dataset) -> pl.DataFrame:
    """Number, parent, origin and text of every row; a parent is the latest row before it with that id."""
    numbers: dict[str, int] = {}
    lines = []
    for number, row in enumerate(pool):
        origin = row.origin
        parent = next((numbers[name] for name in origin.parents if name in numbers), None)
        lines.append(
            (number, row.id, origin.step, origin.place, row.meta.get("round"), parent, origin.model, origin.prompt,
             row.meta.get("strategy"), row.question, row.answer, "", "", "")
        )  # fmt: skip
        numbers[row.id] = number
    text = ("id", "step", "place", "model", "prompt", "strategy", "question", "answer", "stage", "reason", "detail")
    names = ("row", "id", "step", "place", "round", "parent", "model", "prompt", "strategy", "question", "answer",
             "stage", "reason", "detail")  # fmt: skip
    schema = {name: pl.String if name in text else pl.Int64 for name in names}
    return pl.DataFrame(lines, schema=schema, orient="row")


def _with_stage(frame: pl.DataFrame, name: str, stage: pl.DataFrame) -> pl.DataFrame:
    """The audit with what a stage measured, the rank by its first measure, and the rows that it dropped."""
    measures = [column for column in stage.columns if column not in ("row", "kept", "reason", "detail")]
    renamed = {column: column if column == name else f"{name}_{column}" for column in measures}
    table = stage.rename({**renamed, "kept": "_kept", "reason": "_reason", "detail": "_detail"})
    if measures:
        best = pl.col(renamed[measures[0]])
        table = table.with_columns(best.rank("ordinal", descending=True).cast(pl.Int64).alias(f"{name}_rank"))
    joined = frame.join(table, on="row", how="left", maintain_order="left")
    dropped = pl.col("_kept").is_not_null() & ~pl.col("_kept")
    reasons = pl.when(pl.col("_kept") & (pl.col("_detail") != "")).then("_detail").alias(f"{name}{provenance.SAID}")
    return joined.with_columns(
        *([reasons] if (stage["kept"] & (stage["detail"] != "")).any() else []),
        stage=pl.when(dropped).then(pl.lit(name)).otherwise("stage"),
        reason=pl.when(dropped).then("_reason").otherwise("reason"),
        detail=pl.when(dropped).then("_detail").otherwise("detail"),
    ).drop("_kept", "_reason", "_detail")


def _neighbours(unit: "np.ndarray[Any, np.dtype[np.float32]]", embedded: list[int], kept: list[int]) -> pl.DataFrame:
    place = {row: index for index, row in enumerate(embedded)}
    table = unit[[place[row] for row in kept]]
    cosines, positions = nearest(unit, table, 2)
    lines = []
    for row, values, near in zip(embedded, cosines.tolist(), positions.tolist(), strict=True):
        other = next(
            ((kept[index], value) for index, value in zip(near, values, strict=True) if kept[index] != row), None
        )
        if other is not None:
            lines.append((row, *other))
    schema = {"row": pl.Int64, "nearest_kept": pl.Int64, "nearest_cosine": pl.Float64}
    return pl.DataFrame(lines, schema=schema, orient="row")


def read(folder: Path) -> pl.DataFrame:
    """The audit of a finished lift. Raises UserError for a folder that holds none."""
    path = folder / "audit.parquet"
    if not path.is_file():
        raise UserError(f"{folder} holds no finished lift", "Run it to its end first: leaven lift DATA --out FOLDER.")
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
    for name in (column.removesuffix("_rank") for column in row if column.endswith("_rank")):
        values = {key: value for key, value in row.items() if key == name or key.startswith(f"{name}_")}
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
