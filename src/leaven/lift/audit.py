"""The audit: a line for each row that ever existed, with its parent, its scores and ranks, the verdict and its reason.

`nearest_kept` is the kept row that is nearest to it (another one, for a row that is kept itself).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leaven.errors import UserError
from leaven.lift import measure, provenance
from leaven.lift import vectors as table
from leaven.lift.curate import Embedded
from leaven.lift.expand import Pool
from leaven.lift.neighbours import nearest
from leaven.lift.settings import Settings
from leaven.rows import shards, texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import FAILED
from leaven.rows.shards import Places
from leaven.runs import folder as runs

SHOWN = 8
"""How many rows of one name are told of."""
ORIGIN: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("step", "place", "model", "prompt"), pl.String),
    "parents": pl.List(pl.String), "round": pl.Int64, "strategy": pl.String,
}  # fmt: skip
NEAREST = {"row": pl.Int64, "nearest_kept": pl.Int64, "nearest_cosine": pl.Float64}
PAST = {"guard": "gives no benchmark away", "variety": "varied enough", "k_center": "far from others",
        "dedup": "unlike the rows before it", "quality": "good enough"}  # fmt: skip


def write(settings: Settings, pool: Pool, embedded: Embedded, folder: Path) -> None:
    """Write `audit.parquet`, the kept rows, and the figures of the summary."""
    frame = _origins(pool)
    for name in settings.order:
        path = folder / "stages" / f"{name}.parquet"
        if path.is_file():
            frame = _with_stage(frame, name, pl.read_parquet(path))
    dropped = pl.col("stage") != ""
    verdict = pl.when(pl.col("reason") == FAILED).then(pl.lit("open")).when(dropped).then(pl.lit("dropped"))
    frame = frame.with_columns(verdict=verdict.otherwise(pl.lit("kept")))
    kept = frame.filter(pl.col("verdict") == "kept")["row"].to_numpy()
    frame = frame.join(_neighbours(embedded, kept), on="row", how="left", maintain_order="left")
    _with_texts(frame, pool.rows, folder / "audit.parquet")
    rows = pool.rows.rows(kept, "lift")
    rows.save(folder / "kept.parquet")
    provenance.write(rows, frame, folder / "kept.jsonl")
    if frame["parent"].is_not_null().any():  # what was made is shown; rows that were paid for fit into memory
        frame = read(folder)
    runs.write_json(folder / "summary.json", measure.summary(settings, pool.rows, frame, embedded, kept, folder))


def _with_texts(frame: pl.DataFrame, rows: Dataset, path: Path) -> None:
    """Write the lines with what their rows say; the texts of all rows are never in memory together."""
    place = frame.columns.index("stage")
    order = [*frame.columns[:place], "question", "answer", *frame.columns[place:]]

    def batches() -> Iterator[pl.DataFrame]:
        done = 0
        for batch in rows.batches():
            said = [texts.of(batch, "question"), texts.of(batch, "answer")]
            yield frame[done : done + batch.height].with_columns(said).select(order)
            done += batch.height

    schema = {**frame.schema, "question": pl.String(), "answer": pl.String()}
    shards.write(path, batches, pl.Schema({name: schema[name] for name in order}))


def _origins(pool: Pool) -> pl.DataFrame:
    """Number, id, parent and origin of every row; a parent is the latest row before it with that id."""
    origin = pl.col("origin").struct
    names = ("step", "place", "model", "prompt")
    parts = [
        batch.select(*(origin.field(name) for name in names), origin.field("parents"), *_made(batch["meta"]))
        for batch in pool.rows.batches()
    ]
    frame = pl.concat([pl.DataFrame(schema=ORIGIN), *parts]).with_columns(pool.ids)
    frame = frame.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64), parent=_parents(frame))
    empty = [pl.lit("").alias(name) for name in ("stage", "reason", "detail")]
    return frame.select(
        "row", "id", "step", "place", "round", "parent", "model", "prompt", "strategy", *empty
    )  # fmt: skip


def _made(meta: pl.Series) -> list[pl.Series]:
    """Round and strategy of rows that were made, which lie among their further fields."""
    whole = [
        json.loads(text) if named else {}
        for text, named in zip(meta, meta.str.contains_any(['"round"', '"strategy"']), strict=True)
    ]
    return [
        pl.Series(name, [value if type(value := one.get(name)) is kind else None for one in whole], dtype=ORIGIN[name])
        for name, kind in (("round", int), ("strategy", str))
    ]


def _parents(frame: pl.DataFrame) -> pl.Series:
    if not frame["parents"].list.len().sum():
        return pl.repeat(None, frame.height, dtype=pl.Int64, eager=True)
    numbers: dict[str, int] = {}
    parents = []
    for number, (name, origins) in enumerate(frame.select("id", "parents").iter_rows()):
        parents.append(next((numbers[one] for one in origins or () if one in numbers), None))
        numbers[name] = number
    return pl.Series(parents, dtype=pl.Int64)


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


def _neighbours(embedded: Embedded, kept: Places) -> pl.DataFrame:
    """The kept row that is nearest to each embedded row, and is another one."""
    unit = embedded.vectors.take(embedded.places(kept)).unit()
    frames = [pl.DataFrame(schema=NEAREST)]
    done = 0
    for block in embedded.vectors.blocks():
        numbers = embedded.numbers[done : done + len(block)]
        cosines, positions = nearest(table.normalised(block), unit, 2)
        done += len(block)
        if not cosines.shape[1]:
            continue
        near = kept[positions]  # (rows, 2), or (rows, 1) where one row is kept
        which = np.where(near[:, 0] == numbers, near.shape[1] - 1, 0)
        rows = np.arange(len(near))
        columns = (numbers, near[rows, which], cosines[rows, which].astype(np.float64))
        frame = pl.DataFrame(dict(zip(NEAREST, columns, strict=True)), schema=NEAREST)
        frames.append(frame.filter(pl.col("row") != pl.col("nearest_kept")))
    return pl.concat(frames)


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
