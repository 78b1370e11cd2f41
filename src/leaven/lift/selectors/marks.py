"""Keep the rows of the highest mark that they bring, as a judge or people gave it elsewhere: in a field, or in a file.

A file of marks is a table with the ids of rows: the audit of another lift is one.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from leaven.errors import UserError, first_line, nearest
from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome

NEEDS = ()
READ: dict[str, Callable[[Path], pl.LazyFrame]] = {
    ".parquet": pl.scan_parquet,
    ".csv": pl.scan_csv,
    ".jsonl": pl.scan_ndjson,
    ".ndjson": pl.scan_ndjson,
}


class Config(Size):
    """How many rows, and where their marks are."""

    field: str = Field("quality", min_length=1)
    """The field of the rows that holds their mark, a number: higher is better. Of a file: the column."""
    file: str = ""
    """The file that holds the marks (Parquet, CSV, JSON Lines): a line for each row, with its id; '': the rows do."""


def score(data: Dataset, config: Config, context: Context) -> Scores:
    """The marks as they come."""
    return Scores({config.field: _from_file(data, config) if config.file else of_field(data, config.field)})


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The rows of the highest mark; of equals the earlier."""
    kept = np.argsort(-scores.array(config.field), kind="stable")[: config.of(len(data))]
    return outcome(data, kept.tolist(), f"marks({config.field})", "a lower mark", scores.columns)


def of_field(data: Dataset, field: str) -> npt.NDArray[np.float64]:
    """The number that each row has in a further field. Raises UserError at the first row that has none there."""
    values = np.fromiter((_number(value) for value in texts.meta(data, field)), np.float64, len(data))
    for place in np.flatnonzero(np.isnan(values)).tolist()[:1]:
        row = data[place]
        what = f"is {row.meta[field]!r}, not a number" if field in row.meta else "is not there"
        raise UserError(
            f"{row.origin.place or row.id}: the field {field!r} {what}",
            nearest(field, row.meta) if row.meta else "The rows have no further fields.",
        )
    return values


def _number(value: Any) -> float:
    """The value as a number, NaN where it is none; a truth value is none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def _from_file(data: Dataset, config: Config) -> npt.NDArray[np.float64]:
    """The mark of each row by its id; of lines with the same id the first that has a mark counts."""
    there = _table(config).drop_nulls().unique("id", keep="first", maintain_order=True)
    values = texts.ids(data).to_frame().join(there, on="id", how="left", maintain_order="left")[config.field]
    if values.null_count():
        row = data[values.is_null().arg_true()[0]]
        raise UserError(
            f"{config.file} has no mark {config.field!r} for {values.null_count():,} of {len(data):,} rows, the first "
            f"is {row.origin.place or row.id}",
            f"Give each row a line with its id, which is {row.id} for that one (leaven why RUN ROW says it).",
        )
    return values.to_numpy()


def _table(config: Config) -> pl.DataFrame:
    """The columns id and mark. Raises UserError for a file without them."""
    path = Path(config.file).expanduser()
    if path.suffix not in READ or not path.is_file():
        problem = "does not exist" if path.suffix in READ else "is no table of marks"
        raise UserError(f"{path} {problem}", f"Marks come from files like marks{', marks'.join(READ)}.")
    try:
        table = READ[path.suffix](path)
        columns = table.collect_schema()
        for name in ("id", config.field):
            if name not in columns:
                raise UserError(f"{path} has no column {name!r}", nearest(name, columns))
        return table.select(
            pl.col("id").cast(pl.String), pl.col(config.field).cast(pl.Float64).fill_nan(None)
        ).collect()
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{path} can't be read: {first_line(error)}", "Write it again.") from error
