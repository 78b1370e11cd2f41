"""Keep the rows of the highest length score (LIFT, arXiv 2312.11508): characters, capped at the 98th percentile."""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome

NEEDS = ()


class Config(Size):
    """How many rows, and from where on length adds nothing."""

    percentile: float = Field(98, gt=0, le=100)
    """The percentile of the lengths that scores 100."""


def score(data: Dataset, config: Config, context: Context) -> Scores:
    """`length_score`, 0 to 100."""
    return Scores({"length_score": length_scores(data, config.percentile)})


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The rows of the highest score; many may have 100, and of equals the earlier stay."""
    kept = np.argsort(-scores.array("length_score"), kind="stable")[: config.of(len(data))]
    return outcome(data, kept.tolist(), "length", "shorter", scores.columns)


def length_scores(data: Dataset, percentile: float = 98) -> npt.NDArray[np.float64]:
    """100 × min(characters / their percentile, 1) of every row; tabs and line feeds don't count, nor do joints."""
    parts = [words.str.replace_all("[\n\t]", "").str.len_chars().to_numpy() for words in texts.batches(data)]
    lengths = np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
    limit = np.percentile(lengths, percentile) if len(lengths) else 0.0
    return 100 * np.minimum(lengths / limit, 1) if limit else np.zeros(len(lengths))
