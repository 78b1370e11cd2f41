"""Keep the longest answers: a control that is hard to beat (2402.04833)."""

import numpy as np

from leaven.lift.selection import Context, Size, outcome
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome

NEEDS = ()


class Config(Size):
    """How many rows."""


def select(data: Dataset, config: Config, context: Context) -> Outcome:
    """The rows whose answers have the most characters; of equals the earlier."""
    lengths = np.asarray([len(row.answer or "") for row in data], np.float64)
    kept = np.argsort(-lengths, kind="stable")[: config.of(len(data))]
    return outcome(data, kept.tolist(), "longest", "shorter", {"length": tuple(lengths.tolist())})
