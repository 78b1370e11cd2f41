"""Outcomes in a folder, chunk by chunk: what was made for one chunk is read back instead of being made again."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from leaven.errors import UserError
from leaven.rows.dataset import SCHEMA, Dataset
from leaven.rows.example import Drop, Outcome


def claim(folder: Path, about: dict[str, Any]) -> None:
    """Say in the folder what its chunks are; raises UserError when it holds chunks of another kind."""
    path = folder / "about.json"
    text = json.dumps(about, indent=2, sort_keys=True)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise UserError(f"{folder} holds samples that were made with other settings", "Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def write(outcome: Outcome, path: Path) -> None:
    """Both kinds of row in one table, which is there whole or not at all."""
    drops = Dataset.of(drop.example for drop in outcome.dropped).frame.with_columns(
        reason=pl.Series([drop.reason for drop in outcome.dropped], dtype=pl.String),
        score=pl.Series([drop.score for drop in outcome.dropped], dtype=pl.Float64),
        detail=pl.Series([drop.detail for drop in outcome.dropped], dtype=pl.String),
    )
    partial = path.with_name(path.name + ".partial")
    pl.concat([outcome.kept.frame, drops], how="diagonal").write_parquet(partial)
    partial.replace(path)


def read(path: Path) -> Outcome:
    """What `write` wrote."""
    frame = pl.read_parquet(path)
    drops = frame.filter(pl.col("reason").is_not_null())
    examples = Dataset(drops.select(SCHEMA.names()))
    values = drops.select("reason", "score", "detail").rows()
    kept = Dataset(frame.filter(pl.col("reason").is_null()).select(SCHEMA.names()), (str(path),))
    return Outcome(kept, tuple(Drop(example, *value) for example, value in zip(examples, values, strict=True)))


def failures(outcome: Outcome) -> list[Drop]:
    """The calls that failed: worth another try when the run is resumed."""
    return [drop for drop in outcome.dropped if drop.reason == "the model failed"]
