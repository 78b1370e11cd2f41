"""Intervals by the crossed bootstrap: what another run would say, with other seeds, other items, other phrasings.

Three things make a mean come out otherwise, and each enters by its own number:

- **Items.** All seeds answer the same items, so items are resampled for all seeds together. Resampled within each
  seed, an item that is easy for all would count once a seed: the intervals would be too short.
- **Phrasings.** A hundred items share a dozen ways of asking, and a method that takes to one of them takes to all its
  items. So the items of a phrasing are drawn together, where there are enough phrasings for it; else each by itself.
  One group less is drawn than there are, which makes the variance of so few unbiased (Rao and Wu 1988).
- **Seeds.** A dozen or fewer are too few to resample: the percentile interval of three runs from the least to the
  greatest and covers their centre three times in four. They enter as Student's t, times their standard error.

All add up, draw by draw. One seed says nothing of others: its interval is over items only. Where there are no items (a
macro F1, a probe) the interval is Student's alone, and a single seed has none.

An interval never leaves its measure's bounds: a share lies in 0 to 1, a rank is 1 or more, and a distance is above 0
because its interval is made on the scale of its logarithm.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from leaven.errors import UserError

Matrix = NDArray[np.float64]
Bounds = tuple[float, float]

SEED = 0
DRAWS = 4_000
LEVEL = 0.95
FEWEST_PHRASINGS = 6
"""Drawing fewer phrasings than these shows nothing of others: their items are drawn each by itself."""
ANY: Bounds = (-math.inf, math.inf)
SHARE: Bounds = (0.0, 1.0)
POSITIVE: Bounds = (0.0, math.inf)
BOUNDS: dict[str, Bounds] = {
    **dict.fromkeys(("l2", "curve", "token_loss", "entropy", "likely", "nats"), POSITIVE),
    **dict.fromkeys(("log_l2", "log_unit_l2"), ANY),
    "unit_l2": (0.0, 2.0),
    **dict.fromkeys(("rank", "choices", "nucleus_90", "nucleus_95"), (1.0, math.inf)),
    "cosine": (-1.0, 1.0),
}
"""What bounds a probe's measure, by a word of its name; a measure that is not here is a share if its values are."""


@dataclass(frozen=True, slots=True)
class Values:
    """A value for each seed and item, NaN where a seed lacks an item, and the number of each item's phrasing."""

    matrix: Matrix
    """(seeds, items)"""
    seeds: Sequence[int]
    groups: NDArray[np.intp]
    """(items,): items of one group are drawn together."""

    @classmethod
    def of(cls, cells: pl.DataFrame) -> "Values":
        """Those of a table with the columns seed, item, value and phrasing (null where an item has none)."""
        items = cells.group_by("item").agg(pl.col("phrasing").first()).sort("item")
        names = items["phrasing"]
        if names.n_unique() - (names.null_count() > 0) < FEWEST_PHRASINGS:
            names = pl.Series([None] * len(items), dtype=pl.String)
        alone = pl.Series([f"\0{number}" for number in range(len(items))])  # no phrasing: a group of its own
        groups = pl.select(pl.coalesce(names, alone)).to_series().rank("dense").to_numpy() - 1
        seeds = cells["seed"].unique().sort()
        matrix = np.full((len(seeds), len(items)), np.nan)
        rows, columns = (cells[name].rank("dense").to_numpy() - 1 for name in ("seed", "item"))
        matrix[rows, columns] = cells["value"].to_numpy()
        return cls(matrix, seeds.to_list(), groups.astype(np.intp))

    @classmethod
    def by_seed(cls, seeds: Sequence[int], values: Sequence[float]) -> "Values":
        """One value of each seed, and no items."""
        return cls(np.array(values, dtype=float)[:, None], seeds, np.zeros(1, np.intp))

    @property
    def means(self) -> Matrix:
        """That of each seed."""
        return np.asarray(np.nanmean(self.matrix, axis=1))

    @property
    def mean(self) -> float:
        """The mean of the seeds' means."""
        return float(self.means.mean())

    @property
    def n_groups(self) -> int:
        """How many phrasings, or items where those are drawn each by itself."""
        return int(self.groups.max()) + 1


def bounds_of(metric: str, values: pl.Series) -> Bounds:
    """Between what the mean of such values can lie."""
    for word in metric.split("/"):
        if word in BOUNDS:
            return BOUNDS[word]
    return SHARE if bool(values.is_between(*SHARE).all()) else ANY


def interval(values: Values, bounds: Bounds) -> tuple[float | None, float | None]:
    """The 95 % interval of the mean of the seeds' means, within its bounds; None and None where nothing varies."""
    n_seeds, n_items = values.matrix.shape
    if n_items < 2 and n_seeds < 2:
        return None, None
    mean, tail = values.mean, (1 - LEVEL) / 2
    if _agree(values.matrix) and np.isfinite(bounds).all():
        # Twenty right of twenty are no proof of perfection: the other outcomes may have a share that hid by chance.
        share = tail ** (1 / (values.n_groups if n_items > 1 else n_seeds))
        low, high = (mean * share + (1 - share) * bound for bound in bounds)
    elif n_items < 2:
        margin = _standard_error(values) * float(_student(n_seeds - 1, 1 - tail))
        low, high = mean - margin, mean + margin
    else:
        draws = _item_draws(values)  # (draws,)
        if n_seeds > 1:
            draws = draws + _standard_error(values) * _student_draws(n_seeds - 1, len(draws))
        ends = np.nanquantile(draws, [tail, 1 - tail])
        low, high = min(float(ends[0]), mean), max(float(ends[1]), mean)
    if bounds == POSITIVE and mean > 0:  # by the delta method: the logarithm's standard error is the mean's share
        low, high = (mean * math.exp((end - mean) / mean) for end in (low, high))
    return max(low, bounds[0]), min(high, bounds[1])


def _agree(values: Matrix) -> bool:
    """Whether all are one and the same, but for rounding."""
    return bool(np.nanmax(values) - np.nanmin(values) <= 1e-12 * np.nanmax(np.abs(values)))


def _standard_error(values: Values) -> float:
    """That of the mean of the seeds, from the spread of the seeds' means."""
    return float(values.means.std(ddof=1) / np.sqrt(len(values.seeds)))


def _item_draws(values: Values) -> Matrix:
    """The mean of the seeds' means on each resample of the groups of items, the same for all seeds."""
    centre, is_known = values.mean, ~np.isnan(values.matrix)  # the centre is taken out: single precision is enough
    sums, counts = (_by_group(each, values) for each in (np.nan_to_num(values.matrix - centre), is_known))
    if is_known.all():  # the common case: one mean over seeds first, several times as fast
        sums, counts = sums.mean(axis=0, keepdims=True), counts[:1]
    times = _group_times(values.n_groups)  # (draws, groups)
    sizes = times @ counts.T  # (draws, seeds)
    per_seed = np.full(sizes.shape, np.nan)
    np.divide(times @ sums.T, sizes, out=per_seed, where=sizes > 0)
    return np.asarray(centre + np.nanmean(per_seed, axis=1))  # a resample may hold no item that a seed has


def _by_group(matrix: NDArray[Any], values: Values) -> NDArray[np.float32]:
    """The sums of a (seeds, items) matrix over each group, (seeds, groups)."""
    summed = [np.bincount(values.groups, weights=row, minlength=values.n_groups) for row in matrix]
    return np.array(summed, dtype=np.float32)


def _draws(n_groups: int) -> int:
    """How many resamples: fewer for a very large test, where they cost memory and matter less."""
    return max(1_000, min(DRAWS, 20_000_000 // n_groups))


@lru_cache(maxsize=4)
def _group_times(n_groups: int) -> NDArray[np.float32]:
    """How often each resample holds each group, (draws, groups); the same for all metrics of a test."""
    rng = np.random.default_rng([SEED, n_groups])
    resamples = (rng.integers(0, n_groups, n_groups - 1) for _ in range(_draws(n_groups)))
    return np.array([np.bincount(resample, minlength=n_groups) for resample in resamples], dtype=np.float32)


@lru_cache(maxsize=16)
def _student_draws(freedom: int, draws: int) -> Matrix:
    """Student's t at evenly spaced quantiles (its tails are too heavy for random ones), in a random order."""
    quantiles = (np.arange(draws) + 0.5) / draws
    return np.random.default_rng([SEED, freedom]).permutation(_student(freedom, quantiles))


def _student(freedom: int, quantile: float | Matrix) -> Matrix:
    return np.asarray(_special().stdtrit(freedom, quantile))


def _special() -> Any:
    try:
        from scipy import special
    except ImportError:
        raise UserError(
            "intervals over seeds need scipy, and it is not installed", "pip install 'leaven[evaluate]'"
        ) from None
    return special
