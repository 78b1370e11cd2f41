"""Means with intervals, and paired differences between methods: what a table of scores can bear to be said.

Scores are rows of method, size, seed, metric, item, value, and where it is known the `phrasing` in which the item was
asked. Intervals are those of `intervals`, over seeds, items and phrasings; p-values those of `signs`, over seeds alone.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from leaven.errors import UserError
from leaven.study import signs
from leaven.study.intervals import ANY, LEVEL, SHARE, Values, bounds_of, interval
from leaven.study.signs import Alternative

ENOUGH_SEEDS = 6
"""From so many seeds on, they alone can show a difference of either sign: 2 in 2⁶ is below one in twenty."""
ROUNDING = 1e-6
"""Resamples are averaged in single precision: an end so near to zero is at it."""
CELL = ("method", "size", "metric")
DISTANCES = ("l2", "unit_l2", "curve")
"""Measures, by a word of their name, that are compared by their logarithms: as a factor."""


@dataclass(frozen=True, slots=True)
class Estimate:
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


class Interval(NamedTuple):
    """A mean and the ends of its interval, None where there are none."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Method a less method b on the same seeds and items, or their ratio where a distance is compared."""

    method_a: str
    method_b: str
    size: int
    metric: str
    mean: float
    """Of a ratio, its logarithm; so are the ends and the seeds' differences."""
    low: float | None
    high: float | None
    per_seed: tuple[float, ...]
    n_items: int
    is_ratio: bool = False

    @property
    def n_seeds(self) -> int:
        """The seeds that both methods have."""
        return len(self.per_seed)

    @property
    def shown(self) -> Interval:
        """The mean and its interval as a reader wants them: a ratio as a factor."""
        if not self.is_ratio:
            return Interval(self.mean, self.low, self.high)
        low, high = (None if end is None else math.exp(end) for end in (self.low, self.high))
        return Interval(math.exp(self.mean), low, high)

    @property
    def apart(self) -> bool:
        """Whether the interval, over seeds, items and phrasings, excludes zero."""
        return self.low is not None and self.high is not None and (self.low > ROUNDING or self.high < -ROUNDING)

    @property
    def distinguishable(self) -> bool:
        """Whether the interval excludes zero, and with enough seeds for it chance signs seldom do as much.

        Fewer seeds speak of these models alone, by their items; fewer items too show nothing.
        """
        if self.n_seeds < ENOUGH_SEEDS:
            return self.apart and self.n_items >= ENOUGH_SEEDS
        return self.apart and self.p_value() < 1 - LEVEL

    @property
    def row(self) -> dict[str, Any]:
        """What a page takes of it."""
        return {
            "difference": self.mean,
            "low": self.low,
            "high": self.high,
            "items": self.n_items,
            "seeds": self.n_seeds,
            "distinguishable": self.distinguishable,
        }

    def p_value(self, alternative: Alternative = "two-sided") -> float:
        """Exact, over the signs of the seeds' differences (`signs.p_value`)."""
        return signs.p_value(self.per_seed, alternative)


def estimates(scores: pl.DataFrame) -> list[Estimate]:
    """Every metric of every method at every size, sorted; a metric that is nowhere defined is left out."""
    groups = _defined(scores).partition_by(*CELL, maintain_order=True)
    return sorted((_estimate(group) for group in groups), key=lambda row: (row.metric, row.size, row.method))


def compare(
    scores: pl.DataFrame, method_a: str, method_b: str, metric: str, size: int, success: float | None = None
) -> Difference:
    """`difference`, of methods that are known to have some. Raises UserError when they have nothing in common."""
    if gap := difference(scores, method_a, method_b, metric, size, success):
        return gap
    raise UserError(
        f"{method_a!r} and {method_b!r} have no {metric!r} at size {size} on a common seed and item",
        "Both must have run with the same seeds on the same test.",
    )


def difference(
    scores: pl.DataFrame, method_a: str, method_b: str, metric: str, size: int, success: float | None = None
) -> Difference | None:
    """The mean of a less b over the seeds and items for which both have a value; None where there are none.

    Where seeds do all or nothing, a mean says little: with `success` it is the share of seeds that reach so much.
    """
    cells = _defined(scores.filter(pl.col("metric") == metric, pl.col("size") == size))
    a, b = (cells.filter(pl.col("method") == method) for method in (method_a, method_b))
    paired = a.join(b.drop("phrasing"), on=["seed", "item"], suffix="_b").sort("seed", "item")
    if paired.is_empty():
        return None
    is_ratio = success is None and any(word in DISTANCES for word in metric.split("/"))
    sides = [paired["value"], paired["value_b"]]
    if success is not None:
        of_a, of_b = (Values.of(paired.with_columns(value=side)) for side in sides)
        pairs = zip(of_a.means, of_b.means, strict=True)
        values = Values.by_seed(
            of_a.seeds, [float(first >= success) - float(second >= success) for first, second in pairs]
        )
        least, most = SHARE
    else:
        least, most = ANY if is_ratio else bounds_of(metric, pl.concat(sides))
        first, second = (side.log() if is_ratio else side for side in sides)
        values = Values.of(paired.with_columns(value=first - second))
    low, high = interval(values, (least - most, most - least))
    per_seed, n_items = tuple(float(each) for each in values.means), paired["item"].n_unique()
    return Difference(method_a, method_b, size, metric, values.mean, low, high, per_seed, n_items, is_ratio)


def sentence(difference: Difference, factor: float = 100, unit: str = "points") -> str:
    """What the difference says, plainly; values are shown times `factor`, in `unit`, and a ratio as one."""
    side = "above" if difference.mean > 0 else "below"
    interval = "no interval from one seed"
    if difference.low is not None and difference.high is not None:
        ends = " to ".join(_shown(difference, end, factor) for end in (difference.low, difference.high))
        interval = f"95 % interval {ends}{'; one seed' if difference.n_seeds == 1 else ''}"
    if difference.n_seeds >= ENOUGH_SEEDS:
        interval += f"; p {difference.p_value():.2g} over {difference.n_seeds} seeds"
    words = f" {unit}" if unit and not difference.is_ratio else ""
    size = difference.mean if difference.is_ratio else abs(difference.mean)
    by = f"{_shown(difference, size, factor)}{words}"
    if difference.distinguishable:
        relation = (
            f"is {by} {difference.method_b}" if difference.is_ratio else f"is {side} {difference.method_b} by {by}"
        )
        return f"{difference.method_a} {relation} ({interval})"
    return (
        f"{difference.method_a} against {difference.method_b}: {_shown(difference, difference.mean, factor)}{words}, "
        f"not distinguishable from noise ({interval})"
    )


def count_of_seeds(n_seeds: int) -> str:
    """So many seeds, in words.

    >>> count_of_seeds(1), count_of_seeds(12)
    ('1 seed', '12 seeds')
    """
    return f"{n_seeds} seed{'s' * (n_seeds != 1)}"


def few_seeds(n_seeds: int) -> str:
    """What so few seeds can't show, in a sentence; nothing where there are enough.

    >>> few_seeds(3)
    "3 seeds alone can't give a p below 0.25 (two-sided), whatever they show: the intervals are about these models."
    """
    if n_seeds >= ENOUGH_SEEDS:
        return ""
    if n_seeds == 1:
        return "One seed says nothing of others: the intervals are over its items alone."
    least = f"{signs.least_p(n_seeds, 'two-sided'):.3g}"
    return (
        f"{n_seeds} seeds alone can't give a p below {least} (two-sided), whatever they show: "
        "the intervals are about these models."
    )


def with_phrasing(scores: pl.DataFrame) -> pl.DataFrame:
    """The scores with the column `phrasing`, empty where an earlier leaven wrote none."""
    return scores if "phrasing" in scores.columns else scores.with_columns(phrasing=pl.lit(None, pl.String))


def _defined(scores: pl.DataFrame) -> pl.DataFrame:
    """The defined values, one for each method, size, seed, metric and item, in an order that depends on these alone."""
    keys = [*CELL, "seed", "item"]
    scores = with_phrasing(scores)
    rows = scores.filter(pl.col("value").is_not_null() & pl.col("value").is_not_nan()).sort(*keys, "value")
    values = (pl.col("value").cast(pl.Float64).mean(), pl.col("phrasing").drop_nulls().first())
    return rows.group_by(keys, maintain_order=True).agg(*values)


def _estimate(group: pl.DataFrame) -> Estimate:
    values = Values.of(group)
    method, size, metric = group.select(*CELL).row(0)
    low, high = interval(values, bounds_of(metric, group["value"]))
    per_seed = tuple(zip(values.seeds, map(float, values.means), strict=True))
    n_seeds, n_items = values.matrix.shape
    return Estimate(method, size, metric, values.mean, low, high, n_items, n_seeds, per_seed)


def _shown(difference: Difference, value: float, factor: float) -> str:
    return f"{_number(math.exp(value))} times" if difference.is_ratio else _number(value * factor)


def _number(value: float) -> str:
    """Whole where it is large, two figures where it is small, with a real minus sign."""
    size = abs(value)
    text = f"{size:,.0f}" if size >= 10 else f"{size:.1f}" if size >= 1 else f"{size:.2g}"
    text = text.removesuffix(".0")
    return f"−{text}" if value < 0 and float(text.replace(",", "")) else text
