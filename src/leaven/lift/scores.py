"""What selectors measured of the rows of a lift, in files: it is paid for once, and chosen by as often as one likes."""

from pathlib import Path

import polars as pl

from leaven.errors import UserError
from leaven.lift.selection import Scores
from leaven.rows.shards import Places
from leaven.runs import folder as runs

SCHEMA = {"row": pl.Int64, "said": pl.String, "failed": pl.String}


class NeverScored(UserError):
    """A choice comes to rows that the lift whose scores it takes over has not scored."""


def write(path: Path, numbers: Places, scores: Scores) -> None:
    """A line for each row: its number, what was said of it, the error where its call failed, and every measure."""
    words = {
        name: [texts.get(place) for place in range(len(numbers))] if texts else None
        for name, texts in (("said", scores.said), ("failed", scores.failed))
    }
    frame = pl.DataFrame({"row": numbers, **words}, schema=SCHEMA, height=len(numbers))
    columns = [pl.Series(name, column, dtype=pl.Float64) for name, column in scores.columns.items()]
    runs.write(path, frame.with_columns(columns).write_parquet)


def read(path: Path, numbers: Places) -> Scores:
    """The scores of the rows with these numbers, in that order. Raises NeverScored where a row has none."""
    frame = pl.read_parquet(path)
    lines = pl.DataFrame({"row": numbers}, schema={"row": pl.Int64}).join(
        frame.with_row_index("_line"), on="row", how="left", maintain_order="left"
    )
    missing = lines.filter(pl.col("_line").is_null())["row"]
    if len(missing):
        raise NeverScored(
            f"{len(missing):,} of {len(numbers):,} rows were never scored by {path.stem}, first row {missing[0]}",
            f"Keep no more before {path.stem} than that lift did, or run it anew: known replies are free.",
        )
    return Scores(
        {name: lines[name].to_numpy() for name in frame.columns if name not in SCHEMA},
        _told(lines["said"]),
        _told(lines["failed"]),
    )


def _told(column: pl.Series) -> dict[int, str]:
    places = column.is_not_null().arg_true()
    return dict(zip(places, column[places], strict=True))
