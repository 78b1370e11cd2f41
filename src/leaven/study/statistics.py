"""Means with intervals over seeds × items, and paired differences: what a table of scores can bear to be said.

Scores are rows of method, size, seed, metric, item, value. Two things make another run come out otherwise:

- **Items.** All seeds answer the same items, so items are resampled for all seeds together (a crossed bootstrap).
  Resampled within each seed, an item that is easy for all would count once a seed: the intervals would be too short.
- **Seeds.** Two to five are too few to resample: the percentile interval of three runs from the least to the greatest
  and covers their centre three times in four. So the seeds enter as Student's t, times their standard error.

Both add up, draw by draw. One seed says nothing of others: its interval is over items only, and `n_seeds` is 1.
Where there are no items (a macro F1, a probe) the interval is Student's alone, and a single seed has none.

An interval never leaves its measure's bounds: a share lies in 0 to 1, a rank is 1 or more, and a distance is above 0
because its interval is made on the scale of its logarithm.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
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
EXACT_FLIPS = 12
ENOUGH_SEEDS = 5
"""From so many seeds on, the signs of the seeds alone can show something: 1 in 2⁵ is below one in twenty."""
CELL = ("method", "size", "metric")
ANY: Bounds = (-math.inf, math.inf)
SHARE: Bounds = (0.0, 1.0)
POSITIVE: Bounds = (0.0, math.inf)
BOUNDS: dict[str, Bounds] = {
    **dict.fromkeys(("l2", "curve", "token_loss", "entropy", "likely"), POSITIVE),
    **dict.fromkeys(("log_l2", "log_unit_l2"), ANY),
    "unit_l2": (0.0, 2.0),
    **dict.fromkeys(("rank", "choices", "nucleus_90", "nucleus_95"), (1.0, math.inf)),
    "cosine": (-1.0, 1.0),
}
"""What bounds a probe's measure, by a word of its name; a measure that is not here is a share if its values are."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A metric of a method at a size: the mean of the seeds' means, its 95 % interval, and what they rest on."""

    method: str
    size: int
    metric: str
    mean: float
    low: float | None
    high: float | None
    n_items: int
    n_seeds: int
    per_seed: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Method a less method b on the same seeds and items.

    `distinguishable`: the interval excludes zero, and less than one time in twenty would chance give as much, by
    `p_value` and, where there are enough seeds for it to say anything, by `seed_p_value`.
    """

    method_a: str
    method_b: str
    size: int
    metric: str
    mean: float
    low: float | None
    high: float | None
    p_value: float
    """Two-sided: chance signs of the items' differences, for these seeds alone; without items, Student's over seeds."""
    seed_p_value: float | None
    """One-sided, the way that the mean points: chance signs of the seeds' differences; None below `ENOUGH_SEEDS`."""
    n_items: int
    n_seeds: int
    distinguishable: bool


def summarise(scores: pl.DataFrame) -> list[Summary]:
    """Every metric of every method at every size, sorted; a metric that is nowhere defined is left out."""
    groups = _defined(scores).partition_by(*CELL, maintain_order=True)
    return sorted((_summary(group) for group in groups), key=lambda row: (row.metric, row.size, row.method))


def compare(scores: pl.DataFrame, method_a: str, method_b: str, metric: str, size: int) -> Difference:
    """The mean of a less b over the seeds and items that both have. Raises UserError when they have none in common."""
    cells = _defined(scores.filter(pl.col("metric") == metric, pl.col("size") == size))
    a, b = (cells.filter(pl.col("method") == method) for method in (method_a, method_b))
    paired = a.join(b, on=["seed", "item"], suffix="_b").sort("seed", "item")
    if paired.is_empty():
        raise UserError(
            f"{method_a!r} and {method_b!r} have no {metric!r} at size {size} on a common seed and item",
            "Both must have run with the same seeds on the same test.",
        )
    least, most = _bounds(metric, pl.concat([paired["value"], paired["value_b"]]))
    values, _ = _matrix(paired.with_columns(value=pl.col("value") - pl.col("value_b")))
    low, high = _interval(values, (least - most, most - least))
    n_seeds, n_items = values.shape
    p_value = _sign_flips(np.nanmean(values, axis=0)) if n_items > 1 else _student_p_value(values)
    seed_p_value = _one_sided(np.nanmean(values, axis=1)) if n_seeds >= ENOUGH_SEEDS else None
    apart = low is not None and high is not None and (low > 0 or high < 0)
    return Difference(
        method_a, method_b, size, metric, _mean(values), low, high, p_value, seed_p_value, n_items, n_seeds,
        distinguishable=apart and p_value < 1 - LEVEL and (seed_p_value is None or seed_p_value < 1 - LEVEL),
    )  # fmt: skip


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number, in their order, by Holm's step-down rule."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def sentence(difference: Difference, factor: float = 100, unit: str = "points") -> str:
    """What the difference says, plainly; values are shown times `factor`, in `unit`."""
    words = f" {unit}" if unit else ""
    side = "above" if difference.mean > 0 else "below"
    interval = "no interval from one seed"
    if difference.low is not None and difference.high is not None:
        ends = _number(difference.low * factor), _number(difference.high * factor)
        interval = f"95 % interval {ends[0]} to {ends[1]}{'; one seed' if difference.n_seeds == 1 else ''}"
    if difference.seed_p_value is not None:
        interval += f"; p {difference.seed_p_value:.2g} over {difference.n_seeds} seeds"
    by = f"by {_number(abs(difference.mean) * factor)}{words}"
    if difference.distinguishable:
        return f"{difference.method_a} is {side} {difference.method_b} {by} ({interval})"
    return (
        f"{difference.method_a} against {difference.method_b}: {_number(difference.mean * factor)}{words}, "
        f"not distinguishable from noise ({interval})"
    )


def few_seeds(n_seeds: int) -> str:
    """What so few seeds can't show, in a sentence; nothing where there are enough.

    >>> few_seeds(3)
    "3 seeds alone can't give a p below 0.25 (two-sided), whatever they show: intervals decide."
    """
    if n_seeds >= ENOUGH_SEEDS:
        return ""
    if n_seeds == 1:
        return "One seed says nothing of others: the intervals are over its items alone."
    floor = f"{_floor(n_seeds):.3g}"
    return f"{n_seeds} seeds alone can't give a p below {floor} (two-sided), whatever they show: intervals decide."


def _floor(n_seeds: int) -> float:
    """The least p-value that the signs of so many seeds can have, two-sided."""
    return min(1.0, 2 * 0.5**n_seeds)


def _defined(scores: pl.DataFrame) -> pl.DataFrame:
    """The defined values, one for each method, size, seed, metric and item, in an order that depends on these alone."""
    keys = [*CELL, "seed", "item"]
    kept = scores.filter(pl.col("value").is_not_null() & pl.col("value").is_not_nan()).sort(*keys, "value")
    return kept.group_by(keys, maintain_order=True).agg(pl.col("value").cast(pl.Float64).mean())


def _summary(group: pl.DataFrame) -> Summary:
    values, seeds = _matrix(group)
    method, size, metric = group.select(*CELL).row(0)
    low, high = _interval(values, _bounds(metric, group["value"]))
    per_seed = tuple(zip(seeds, (float(value) for value in np.nanmean(values, axis=1)), strict=True))
    n_seeds, n_items = values.shape
    return Summary(method, size, metric, _mean(values), low, high, n_items, n_seeds, per_seed)


def _matrix(cells: pl.DataFrame) -> tuple[Matrix, list[int]]:
    """The values as (seeds, items), NaN where a seed lacks an item, and the seeds."""
    seeds = cells["seed"].unique().sort()
    rows = cells["seed"].rank("dense").to_numpy() - 1
    columns = cells["item"].rank("dense").to_numpy() - 1
    values = np.full((len(seeds), int(columns.max()) + 1), np.nan)  # (seeds, items)
    values[rows, columns] = cells["value"].to_numpy()
    return values, seeds.to_list()


def _mean(values: Matrix) -> float:
    return float(np.nanmean(values, axis=1).mean())


def _bounds(metric: str, values: pl.Series) -> Bounds:
    """Between what the mean of such values can lie."""
    for word in metric.split("/"):
        if word in BOUNDS:
            return BOUNDS[word]
    return SHARE if bool(values.is_between(*SHARE).all()) else ANY


def _interval(values: Matrix, bounds: Bounds) -> tuple[float | None, float | None]:
    """The 95 % interval of the mean of the seeds' means of `values`, (seeds, items), within its bounds."""
    n_seeds, n_items = values.shape
    if n_items < 2 and n_seeds < 2:
        return None, None
    mean, tail = _mean(values), (1 - LEVEL) / 2
    if _agree(values) and np.isfinite(bounds).all():
        # Twenty right of twenty are no proof of perfection: the other outcomes may have a share that hid by chance.
        share = tail ** (1 / (n_items if n_items > 1 else n_seeds))
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


def _standard_error(values: Matrix) -> float:
    """That of the mean of the seeds, from the spread of the seeds' means."""
    per_seed = np.nanmean(values, axis=1)
    return float(per_seed.std(ddof=1) / np.sqrt(len(per_seed)))


def _item_draws(values: Matrix) -> Matrix:
    """The mean of the seeds' means on each resample of the items, the same items for all seeds."""
    times = _item_times(values.shape[1])  # (draws, items)
    centre = _mean(values)  # taken out so that single precision is enough
    if not np.isnan(values).any():  # the common case: one mean over seeds first, five times as fast
        return np.asarray(centre + times @ (values - centre).mean(axis=0).astype(np.float32) / values.shape[1])
    deviations = np.nan_to_num(values - centre).astype(np.float32)
    counts = times @ (~np.isnan(values)).T.astype(np.float32)  # (draws, seeds)
    per_seed = np.full(counts.shape, np.nan)
    np.divide(times @ deviations.T, counts, out=per_seed, where=counts > 0)
    return np.asarray(centre + np.nanmean(per_seed, axis=1))  # a resample may hold no item that a seed has


def _draws(n_items: int) -> int:
    """How many resamples: fewer for a very large test, where they cost memory and matter less."""
    return max(1_000, min(DRAWS, 20_000_000 // n_items))


@lru_cache(maxsize=4)
def _item_times(n_items: int) -> NDArray[np.float32]:
    """How often each resample holds each item, (draws, items); the same for all metrics of a test."""
    rng = np.random.default_rng([SEED, n_items])
    resamples = (rng.integers(0, n_items, n_items) for _ in range(_draws(n_items)))
    return np.array([np.bincount(drawn, minlength=n_items) for drawn in resamples], dtype=np.float32)


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


def _sign_flips(units: Matrix) -> float:
    """How often chance signs of the units' differences give a mean as far from zero."""
    return _share_of_signs(units, np.abs, abs(float(units.mean())))


def _one_sided(units: Matrix) -> float:
    """How often chance signs of the units' differences give a mean as far to the side where it is."""
    side = -1.0 if units.mean() < 0 else 1.0
    return _share_of_signs(units, lambda means: side * means, side * float(units.mean()))


def _share_of_signs(units: Matrix, statistic: Callable[[Matrix], Matrix], observed: float) -> float:
    """The share of all signs of the units (of random ones, where there are many) with as large a statistic."""
    signs, slack = _signs(len(units)), 1e-12 * (1 + float(np.abs(units).max()))
    as_far = int((statistic(signs @ units / len(units)) >= observed - slack).sum())
    return as_far / len(signs) if len(units) <= EXACT_FLIPS else (as_far + 1) / (len(signs) + 1)


def _student_p_value(values: Matrix) -> float:
    """That of a paired t-test over the seeds of `values`, (seeds, 1); where all agree, what their signs can show."""
    if _agree(values):
        return 1.0 if _mean(values) == 0 else _floor(len(values))
    return float(2 * _special().stdtr(len(values) - 1, -abs(_mean(values)) / _standard_error(values)))


@lru_cache(maxsize=4)
def _signs(n: int) -> Matrix:
    """Every row of n signs while those are few, else random ones."""
    if n <= EXACT_FLIPS:
        return np.array(list(product((-1.0, 1.0), repeat=n)))
    return np.asarray(np.random.default_rng([SEED, n]).integers(0, 2, (_draws(n), n)) * 2.0 - 1.0)


def _number(value: float) -> str:
    """Whole where it is large, two figures where it is small, with a real minus sign."""
    size = abs(value)
    text = f"{size:,.0f}" if size >= 10 else f"{size:.1f}" if size >= 1 else f"{size:.2g}"
    text = text.removesuffix(".0")
    return f"−{text}" if value < 0 and float(text.replace(",", "")) else text
