"""The lines of the audit, made batch by batch: where a row comes from, what it says, what each stage said of it.

Of all rows together only ids, parents, ranks and nearest kept rows are in memory.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from leaven.lift import provenance
from leaven.lift import vectors as table
from leaven.lift.curate import Embedded
from leaven.lift.expand import Pool
from leaven.lift.neighbours import Positions, nearest
from leaven.lift.pieces import Archives
from leaven.lift.stages import VERDICT
from leaven.lift.vectors import Array, Vectors
from leaven.rows import shards, texts
from leaven.rows.outcomes import FAILED
from leaven.rows.shards import Places, Shards

Types = dict[str, pl.DataType | type[pl.DataType]]
ROW: Types = {
    "row": pl.Int64, "id": pl.String, "step": pl.String, "place": pl.String, "round": pl.Int64, "parent": pl.Int64,
    **dict.fromkeys(("model", "prompt", "strategy", "question", "answer", "stage", "reason", "detail"), pl.String),
}  # fmt: skip
"""The columns before those of the stages."""
END: Types = {"verdict": pl.String, "nearest_kept": pl.Int64, "nearest_cosine": pl.Float64}
NOBODY = -1
"""In place of a row's number: there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """The table of a stage, which lies in the order of its rows' numbers.

    `measures` are its columns by their names in the audit, `ranks` those of its lines by the first of them; it `speaks`
    where it said something of a row that it kept.
    """

    name: str
    table: Shards
    measures: Mapping[str, str]
    ranks: pl.Series
    speaks: bool

    @classmethod
    def of(cls, name: str, path: Path) -> "Stage":
        """The stage of this file."""
        lines = Shards.of(path)
        columns = [column for column in pl.read_parquet_schema(path) if column not in VERDICT]
        measures = {column: column if column == name else f"{name}_{column}" for column in columns}
        first = lines.frame(columns[:1]).to_series() if columns else pl.Series(dtype=pl.Float64)
        ranks = first.rank("ordinal", descending=True).cast(pl.Int64).alias(f"{name}_rank")
        speaks = pl.scan_parquet(path).select((pl.col("kept") & (pl.col("detail") != "")).any())
        return cls(name, lines, measures, ranks, bool(speaks.collect().item()))

    @property
    def columns(self) -> Types:
        """What it adds to the audit."""
        details = {f"{self.name}{provenance.SAID}": pl.String} if self.speaks else {}
        return {**self.measured, **details}

    @property
    def measured(self) -> Types:
        """Its measures, and the rank by the first of them."""
        ranks = {self.ranks.name: pl.Int64} if self.measures else {}
        return {**dict.fromkeys(self.measures.values(), pl.Float64), **ranks}

    def batches(self) -> Iterator[pl.DataFrame]:
        """Its lines."""
        done = 0
        for batch in self.table.batches([*VERDICT, *self.measures]):
            ranks = [self.ranks[done : done + batch.height]] if self.measures else []
            yield batch.rename(dict(self.measures)).with_columns(ranks)
            done += batch.height

    def drops(self) -> Places:
        """The numbers of the rows that it dropped."""
        return self.table.frame(["row", "kept"]).filter(~pl.col("kept"))["row"].to_numpy()

    def add_to(self, audit: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
        """Lines of the audit with what it measured of their rows, and with its verdict on those that it dropped."""
        verdicts = lines.rename({column: f"_{column}" for column in VERDICT})
        joined = audit.join(verdicts, left_on="row", right_on="_row", how="left", maintain_order="left")
        dropped = pl.when(~pl.col("_kept"))
        return joined.with_columns(
            pl.when(pl.col("_kept") & (pl.col("_detail") != "")).then("_detail").alias(f"{self.name}{provenance.SAID}"),
            stage=dropped.then(pl.lit(self.name)).otherwise("stage"),
            reason=dropped.then("_reason").otherwise("reason"),
            detail=dropped.then("_detail").otherwise("detail"),
        ).drop("_kept", "_reason", "_detail")


class _Lines:
    """The lines of a stage while the rows pass by."""

    def __init__(self, stage: Stage) -> None:
        self.batches = stage.batches()
        self.rest = next(self.batches, pl.DataFrame(schema={**VERDICT, **stage.measured}))

    def before(self, number: int) -> pl.DataFrame:
        """The next lines, which are those of rows before this one."""
        while not self.rest.height or self.rest["row"][-1] < number:
            if (batch := next(self.batches, None)) is None:
                break
            self.rest = pl.concat([self.rest, batch])
        count = int(self.rest["row"].search_sorted(number))
        lines, self.rest = self.rest[:count], self.rest[count:]
        return lines


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """For each row the kept row that is nearest to it, and is another one; NOBODY where there is none."""

    rows: npt.NDArray[np.int32]
    cosines: npt.NDArray[np.float32]

    @classmethod
    def of(cls, embedded: Embedded, kept: Places, rows: int, crew: Archives) -> "Nearest":
        """Those of so many `rows`, by one pass over the embeddings; the kept ones all have one."""
        whole = cls(np.full(rows, NOBODY, np.int32), np.zeros(rows, np.float32))
        vectors, spans = embedded.vectors, embedded.vectors.spans() if len(kept) else []
        unit = vectors.take(embedded.places(kept)).unit()
        with crew(lambda: (vectors, unit)) as workers:
            for place, (cosines, positions) in workers.each(_nearest, spans):
                numbers = embedded.numbers[slice(*spans[place])]
                near = kept[positions]  # (rows, 2), or (rows, 1) where one row is kept
                which = np.where(near[:, 0] == numbers, near.shape[1] - 1, 0)
                line = np.arange(len(near))
                whole.rows[numbers] = np.where(near[line, which] == numbers, NOBODY, near[line, which])
                whole.cosines[numbers] = cosines[line, which]
        return whole

    def columns(self, start: int, count: int) -> list[pl.Series]:
        """Those of so many rows from `start` on."""
        rows = pl.Series("nearest_kept", self.rows[start : start + count], dtype=pl.Int64)
        cosines = pl.Series("nearest_cosine", self.cosines[start : start + count], dtype=pl.Float64)
        nobody = rows == NOBODY
        return [rows.set(nobody, None), cosines.set(nobody, None)]


def _nearest(shared: tuple[Vectors, Array], span: tuple[int, int]) -> tuple[Array, Positions]:
    """For a piece of the rows their two nearest of the kept ones: (cosines, positions), (rows, 2) each."""
    vectors, unit = shared
    parts = [nearest(table.normalised(block), unit, 2) for block in vectors.part(*span).blocks()]
    cosines, positions = zip(*parts, strict=True)
    return np.concatenate(cosines), np.concatenate(positions)


def write(path: Path, pool: Pool, stages: Sequence[Stage], near: Nearest) -> None:
    """Write a line for each row of the pool, in the order of their numbers."""
    parents = _parents(pool)
    columns = [(name, kind) for stage in stages for name, kind in stage.columns.items()]
    schema = pl.Schema({**ROW, **dict(columns), **END})
    is_open, is_dropped = pl.col("reason") == FAILED, pl.col("stage") != ""
    verdict = pl.when(is_open).then(pl.lit("open")).when(is_dropped).then(pl.lit("dropped")).otherwise(pl.lit("kept"))

    def batches() -> Iterator[pl.DataFrame]:
        passing = [_Lines(stage) for stage in stages]
        done = 0
        for batch in pool.rows.batches():
            lines = _origins(batch, pool.ids[done : done + batch.height], done, parents)
            done += batch.height
            for stage, rest in zip(stages, passing, strict=True):
                lines = stage.add_to(lines, rest.before(done))
            near_rows = near.columns(done - batch.height, batch.height)
            yield lines.with_columns(verdict.alias("verdict"), *near_rows).select(schema.names())

    shards.write(path, batches, schema)


def _origins(batch: pl.DataFrame, ids: pl.Series, start: int, parents: Mapping[int, int]) -> pl.DataFrame:
    """The columns before those of the stages, of the rows from number `start` on."""
    numbers = pl.Series("row", range(start, start + batch.height), dtype=pl.Int64)
    origin = pl.col("origin").struct
    own = batch.select(
        *(origin.field(name) for name in ("step", "place", "model", "prompt")),
        *_made(batch["meta"]),
        *(texts.of(batch["messages"], part) for part in ("question", "answer")),
        *(pl.lit("").alias(name) for name in ("stage", "reason", "detail")),
    )
    parent = pl.Series("parent", [parents.get(start + place) for place in range(batch.height)], dtype=pl.Int64)
    return own.with_columns(numbers, ids, parent)


def _made(meta: pl.Series) -> list[pl.Series]:
    """Round and strategy of rows that were made, which lie among their further fields."""
    whole = [
        json.loads(text) if named else {}
        for text, named in zip(meta, meta.str.contains_any(['"round"', '"strategy"']), strict=True)
    ]
    return [
        pl.Series(name, [value if type(value := one.get(name)) is kind else None for one in whole], dtype=ROW[name])
        for name, kind in (("round", int), ("strategy", str))
    ]


def _parents(pool: Pool) -> dict[int, int]:
    """Of rows that were made the number of their parent, the latest row before them with that id."""
    batches = pool.rows.batches(["origin"])
    names = {name for batch in batches for name in batch["origin"].struct.field("parents").explode()}
    if not names - {None}:
        return {}
    latest, parents, number = dict[str, int](), dict[int, int](), 0
    for batch in pool.rows.batches(["origin"]):
        for origins in batch["origin"].struct.field("parents").to_list():
            own = next((latest[one] for one in origins or () if one in latest), None)
            if own is not None:
                parents[number] = own
            if (name := pool.ids[number]) in names:
                latest[name] = number
            number += 1
    return parents
