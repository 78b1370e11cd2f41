"""What selectors measured of the rows of a lift, in files: it is paid for once, and chosen by as often as one likes."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from leaven.errors import UserError
from leaven.lift.selection import Scores
from leaven.runs import folder as runs

SCHEMA = {"row": pl.Int64, "said": pl.String, "failed": pl.String}


def write(path: Path, numbers: Sequence[int], scores: Scores) -> None:
    """A line for each row: its number, what was said of it, the error where its call failed, and every measure."""
    lines = [(number, scores.said.get(place), scores.failed.get(place)) for place, number in enumerate(numbers)]
    frame = pl.DataFrame(lines, schema=SCHEMA, orient="row")
    columns = [pl.Series(name, column, dtype=pl.Float64) for name, column in scores.columns.items()]
    runs.write(path, frame.with_columns(columns).write_parquet)


def read(path: Path, numbers: Sequence[int]) -> Scores:
    """The scores of the rows with these numbers, in that order. Raises UserError where a row was never scored."""
    frame = pl.read_parquet(path)
    place = {number: line for line, number in enumerate(frame["row"])}
    if missing := [number for number in numbers if number not in place]:
        raise UserError(
            f"{len(missing):,} of {len(numbers):,} rows were never scored, the first is row {missing[0]}",
            "Keep no more before that stage than that lift did, or run it anew: known replies are free.",
        )
    frame = frame[[place[number] for number in numbers]]
    return Scores(
        {name: frame[name].to_list() for name in frame.columns if name not in SCHEMA},
        {place: text for place, text in enumerate(frame["said"]) if text is not None},
        {place: error for place, error in enumerate(frame["failed"]) if error is not None},
    )
