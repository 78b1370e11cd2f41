"""Keep the rows of the highest mark that they bring: a field of theirs, as a judge or people gave it elsewhere."""

import math
from typing import Any

import numpy as np
from pydantic import Field

from leaven.errors import UserError, nearest
from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome

NEEDS = ()


class Config(Size):
    """How many rows, and where their marks are."""

    field: str = Field("quality", min_length=1)
    """The field of the rows that holds their mark, a number: higher is better."""


def score(data: Dataset, config: Config, context: Context) -> Scores:
    """The marks as they come."""
    values = np.fromiter((_number(value) for value in texts.meta(data, config.field)), np.float64, len(data))
    for place in np.flatnonzero(np.isnan(values)).tolist()[:1]:
        row = data[place]
        raise UserError(
            f"{row.origin.place or row.id}: the field {config.field!r} is {row.meta.get(config.field)!r}, not a number",
            nearest(config.field, row.meta) if row.meta else "The rows have no further fields.",
        )
    return Scores({config.field: values})


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The rows of the highest mark; of equals the earlier."""
    kept = np.argsort(-scores.array(config.field), kind="stable")[: config.of(len(data))]
    return outcome(data, kept.tolist(), f"marks({config.field})", "a lower mark", scores.columns)


def _number(value: Any) -> float:
    """The value as a number, NaN where it is none; a truth value is none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
