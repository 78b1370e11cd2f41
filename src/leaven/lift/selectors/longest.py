"""Keep the longest answers: a control that is hard to beat (2402.04833)."""

import numpy as np

from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome

NEEDS = ()


class Config(Size):
    """How many rows."""


def score(data: Dataset, config: Config, context: Context) -> Scores:
    """`length`, the characters of the answer."""
    return Scores({"length": texts.lengths(data)})


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The rows whose answers have the most characters; of equals the earlier."""
    kept = np.argsort(-scores.array("length"), kind="stable")[: config.of(len(data))]
    return outcome(data, kept.tolist(), "longest", "shorter", scores.columns)
