"""Outcomes in files: what was made once, rows and drops in one table, is read back instead of being made again."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from leaven.rows.dataset import SCHEMA, Dataset
from leaven.rows.example import Drop, Outcome
from leaven.runs import folder as runs


def stage(path: Path, make: Callable[[], Outcome], *, retry: bool = False) -> Outcome:
    """The outcome that the file holds, or what `make` makes, which the file then holds.

    With `retry`, an outcome with calls that failed is not written: they are worth another try when the run goes on.
    """
    if path.is_file():
        return read(path)
    outcome = make()
    if not (retry and failures(outcome)):
        write(outcome, path)
    return outcome


def write(outcome: Outcome, path: Path) -> None:
    """Write both kinds of row in one table, whole or not at all."""
    drops = Dataset.of(drop.example for drop in outcome.dropped).frame.with_columns(
        reason=pl.Series([drop.reason for drop in outcome.dropped], dtype=pl.String),
        score=pl.Series([drop.score for drop in outcome.dropped], dtype=pl.Float64),
        detail=pl.Series([drop.detail for drop in outcome.dropped], dtype=pl.String),
    )
    runs.write(path, pl.concat([outcome.kept.frame, drops], how="diagonal").write_parquet)


def read(path: Path) -> Outcome:
    """What `write` wrote."""
    frame = pl.read_parquet(path)
    drops = frame.filter(pl.col("reason").is_not_null())
    examples = Dataset(drops.select(SCHEMA.names()))
    values = drops.select("reason", "score", "detail").rows()
    kept = Dataset(frame.filter(pl.col("reason").is_null()).select(SCHEMA.names()), (str(path),))
    return Outcome(kept, tuple(Drop(example, *value) for example, value in zip(examples, values, strict=True)))


def failures(outcome: Outcome) -> list[Drop]:
    """The calls that failed."""
    return [drop for drop in outcome.dropped if drop.reason == "the model failed"]
