"""Keep the best rows that are unlike those kept before: Deita's filter (2312.15685), on a score that the rows bring.

Rows are taken from the best score down, and one stays if its cosine to every row kept so far is below the threshold.
"""

import numpy as np
from pydantic import Field

from leaven.lift.neighbours import ROUNDING
from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.lift.selectors.marks import of_field
from leaven.lift.vectors import Array
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome

NEEDS = ("vectors",)


class Config(Size):
    """How many rows, and how unlike."""

    threshold: float = Field(0.9, gt=0, le=1)
    """A row goes whose cosine to a kept row is at least this."""
    score: str = ""
    """The field of the rows with their score; '': the length of the answer."""


def score(data: Dataset, config: Config, context: Context) -> Scores:
    """What the rows bring, or the length of their answers."""
    return Scores({config.score or "length": of_field(data, config.score) if config.score else texts.lengths(data)})


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """As many rows as asked for, or all that are unlike enough."""
    count = config.of(len(data))
    values = scores.array(config.score or "length")
    unit = context.vectors(data).unit()
    with context.progress.track("deita", len(data), "rows") as advance:
        kept: list[int] = []
        packed = np.empty((count, unit.shape[1]), np.float32)
        reasons: dict[int, str] = {}
        for done, row in enumerate(np.argsort(-values, kind="stable").tolist(), 1):
            if len(kept) == count:
                reasons[row] = "enough better rows"
            elif near(unit[row], packed[: len(kept)], config.threshold - ROUNDING):
                reasons[row] = "near a better row"
            else:
                packed[len(kept)] = unit[row]
                kept.append(row)
            advance(done)
    return outcome(data, kept, f"deita({config.threshold:g})", reasons, scores.columns)


def near(row: Array, kept: Array, threshold: float) -> bool:
    """Whether a row is within the threshold of any of these rows."""
    return bool(len(kept)) and float((kept @ row).max()) >= threshold
