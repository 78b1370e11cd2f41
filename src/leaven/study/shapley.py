"""What each part of a recipe is worth: Shapley shares over the whole grid of its parts, each on or off.

The share of a part is what it adds, averaged over all orders in which the parts could be switched on (Shapley, 1953).
With every cell of the grid at hand that is exact: a sum over the sets without the part, weighted by how many orders
begin with them. The shares add up to what all parts together bring, and two parts that do the same have the same.
Shares are sums of scores: so each seed and each item of a test has shares of its own, and their interval is the one
that any other measure has (study/intervals.py).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl

from leaven.errors import UserError
from leaven.study.intervals import ANY, Values, interval
from leaven.study.statistics import with_phrasing

Coalition = frozenset[str]


@dataclass(frozen=True, slots=True)
class Worth:
    """The share of a part in a measure: the mean over seeds and items, and its 95 % interval."""

    part: str
    mean: float
    low: float | None
    high: float | None
    n_seeds: int


def subsets(parts: Sequence[str]) -> list[Coalition]:
    """All sets of the parts, the smallest first."""
    return [frozenset(some) for size in range(len(parts) + 1) for some in combinations(parts, size)]


def weights(part: str, parts: Collection[str]) -> dict[Coalition, float]:
    """What the value of each cell of the grid counts in the share of a part.

    >>> {"".join(sorted(some)): weight for some, weight in weights("a", "ab").items()}
    {'': -0.5, 'a': 0.5, 'b': -0.5, 'ab': 0.5}
    """
    orders = math.factorial(len(parts))

    def weight(others: int) -> float:
        return math.factorial(others) * math.factorial(len(parts) - others - 1) / orders

    return {some: weight(len(some) - 1) if part in some else -weight(len(some)) for some in subsets(sorted(parts))}


def shares(grid: Mapping[Coalition, float]) -> dict[str, float]:
    """The share of each part of a grid of values, the empty set among them.

    Raises UserError for a grid that is not whole.
    """
    parts = sorted(frozenset().union(*grid))
    _check(parts, len(grid))
    return {part: math.fsum(weight * grid[some] for some, weight in weights(part, parts).items()) for part in parts}


def worth(scores: pl.DataFrame, labels: Mapping[Coalition, str], metric: str) -> list[Worth]:
    """The shares in a measure, from the scores of a study whose methods are the cells of the grid, by their `labels`.

    Items that a cell has no value for are left out. Raises UserError for a grid that is not whole.
    """
    parts = sorted(frozenset().union(*labels))
    _check(parts, len(labels))
    values = with_phrasing(scores.filter(pl.col("metric") == metric, pl.col("value").is_not_nan()))
    rows = []
    for part in parts:
        counts = {labels[some]: weight for some, weight in weights(part, parts).items()}
        weight = pl.col("method").replace_strict(counts, default=None, return_dtype=pl.Float64)
        cells = values.with_columns(value=pl.col("value") * weight).drop_nulls("value")
        each = cells.group_by("seed", "item", maintain_order=True).agg(
            pl.col("value").sum(), pl.col("phrasing").first(), cells=pl.len()
        )
        whole = Values.of(each.filter(pl.col("cells") == len(labels)))
        rows.append(Worth(part, whole.mean, *interval(whole, ANY), len(whole.seeds)))
    return sorted(rows, key=lambda row: -row.mean)


def _check(parts: Sequence[str], cells: int) -> None:
    if cells != 2 ** len(parts):
        raise UserError(
            f"the grid of {len(parts)} parts has {cells} cells of {2 ** len(parts)}",
            "Shares need each part on and off beside every other.",
        )
