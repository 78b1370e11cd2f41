"""Where a kept row comes from and what was measured of it: the field `leaven` of each row in `kept.jsonl`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example
from leaven.rows.export import PROVENANCE as FIELD

TAKEN = ("messages", FIELD)
"""The names of fields that a kept row needs itself."""
SAID = "_said"
"""Behind the name of a stage: the column of the audit that holds what was said of a row that it kept."""


def write(rows: Dataset, audit: pl.LazyFrame, path: Path) -> None:
    """Write the kept rows, each with its line of the audit: `leaven why` takes its number and its id.

    {"messages": […], "leaven": {"row": 17, "id": "a68be1e11fdc", "place": "data.jsonl:7", "made_by": "evolve",
    "model": "openai:gpt-4o", "parents": ["0c5d6aa1e7f2"], "parent": 3, "marks": {"quality": 88.2},
    "reason": {"quality": "Clear, and right."}}}

    A row's own fields `messages` and `leaven`, which can't stand beside these, are kept in `leaven.fields`.
    """
    kept = audit.filter(pl.col("verdict") == "kept").drop("question", "answer").collect_batches(maintain_order=True)
    lines = (line for batch in kept for line in batch.iter_rows(named=True))
    files.write(Dataset.of(_told(row, line) for row, line in zip(rows, lines, strict=True)), path)


def reasons(line: Mapping[str, Any]) -> dict[str, str]:
    """What the stages that kept a row said of it, as a judge does, by the name of the stage."""
    return {name.removesuffix(SAID): text for name, text in line.items() if name.endswith(SAID) and text}


def _told(row: Example, line: Mapping[str, Any]) -> Example:
    """The row with the field `leaven`."""
    own = {name: row.meta[name] for name in TAKEN if name in row.meta}
    about = _of(row.origin.parents, line) | ({"fields": own} if own else {})
    return replace(row, meta={**{name: one for name, one in row.meta.items() if name not in own}, FIELD: about})


def _of(parents: tuple[str, ...], line: Mapping[str, Any]) -> dict[str, Any]:
    marks = {name: value for name, value in line.items() if isinstance(value, float) and name != "nearest_cosine"}
    about = {name: line[name] for name in ("row", "id", "place")}
    made = {"made_by": line["step"], "model": line["model"], "parents": list(parents), "parent": line["parent"]}
    return {**about, **made, "marks": marks, "reason": reasons(line)}
