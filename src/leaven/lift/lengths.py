"""Whether a selection chose by length: the answers that are kept beside those that are dropped."""

import numpy as np
import numpy.typing as npt

Lengths = npt.NDArray[np.float64]

SHIFT = 1.5
"""From this ratio of the medians on, kept rows are no longer like the others in length."""
CHANCE = 4.0
"""Standard errors by which the ranks of the lengths differ at least: a random draw is never so far off."""


def warning(kept: Lengths, dropped: Lengths) -> str:
    """What to say where the answers kept are longer or shorter than those dropped; "" where they are not.

    Both are characters, a number for each answer.

    >>> warning(np.full(20, 79.0), np.full(80, 252.0))
    'kept answers are shorter: 79 characters in the middle, dropped ones 252; compare with leaven curate length_matched'
    """
    if not len(kept) or not len(dropped):
        return ""
    lengths = np.concatenate([kept, dropped])
    here, there = np.median(lengths[: len(kept)]), np.median(lengths[len(kept) :])
    if max(here, there) < SHIFT * max(1.0, min(here, there)) or abs(_apart(lengths, len(kept))) < CHANCE:
        return ""
    side = "shorter" if here < there else "longer"
    return (
        f"kept answers are {side}: {here:,.0f} characters in the middle, dropped ones {there:,.0f}; "
        "compare with leaven curate length_matched"
    )


def _apart(lengths: Lengths, first: int) -> float:
    """How many standard errors the mean rank of the first so many lies off that of all (Mann and Whitney's test)."""
    _, place, count = np.unique(lengths, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    rest = len(lengths) - first
    error = np.sqrt(rest * (len(lengths) + 1) / (12 * first))
    return float((ranks[:first].mean() - (len(lengths) + 1) / 2) / error)
