"""Exact tests over seeds: what chance signs of the seeds' differences give, equivalence, Holm's rule, and power.

A method is run anew with every seed, so the seed is the unit: the items of a test, however many, are answered by the
same few models. Where two methods are alike, a seed's difference is as likely as its negative (Fisher 1935): the
p-value is the share of all 2ⁿ signs under which the mean is as far out. No draws, no normal distribution, and a spread
of zero is no special case.
"""

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Units = Sequence[float] | NDArray[np.float64]
Alternative = Literal["two-sided", "greater", "less"]
Test = Callable[[Units], float]
"""A p-value of the seeds' differences."""
RESAMPLES = 400


def p_value(differences: Units, alternative: Alternative = "two-sided") -> float:
    """How often chance signs of the differences, one of each seed, give a mean as far to that side.

    >>> p_value([0.1, 0.2, 0.1, 0.3, 0.2], "greater"), p_value([0.5, 0.5, 0.5])
    (0.03125, 0.25)
    """
    units = np.asarray(differences, dtype=float)
    if alternative != "two-sided":
        return _as_large(units if alternative == "greater" else -units)
    return min(1.0, 2 * _as_large(units if units.sum() > 0 else -units))


def p_alike(differences: Units, margin: float) -> float:
    """How sure it is that the mean lies within ±margin: the larger p of two one-sided tests (TOST, Schuirmann 1987)."""
    units = np.asarray(differences, dtype=float)
    return max(_as_large(margin + units), _as_large(margin - units))


def p_unlike(differences: Units, margin: float) -> float:
    """The opposite: how sure it is that the mean lies outside ±margin, on either side."""
    units = np.asarray(differences, dtype=float)
    return min(1.0, 2 * min(_as_large(units - margin), _as_large(-units - margin)))


def least_p(n_seeds: int, alternative: Alternative = "greater") -> float:
    """The least p-value that so many seeds can give, whatever they show."""
    return min(1.0, (2 if alternative == "two-sided" else 1) * 0.5**n_seeds)


def holm(p_values: Sequence[float], of: int = 0) -> list[float]:
    """The p-values corrected for their number, in their order, by Holm's step-down rule (1979).

    `of` is the number of claims where some have no p-value yet: the others are corrected for them too.
    """
    number = max(of, len(p_values))
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (number - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def greater(differences: Units) -> float:
    """The p-value of a mean above zero."""
    return p_value(differences, "greater")


def power(pilot: Units, n_seeds: int, level: float, test: Test = greater) -> float:
    """How often so many seeds show it at a level, if seeds are drawn from those of a pilot with replacement.

    The pilot's spread is that of few seeds: a power is a guide to how many to run, and no result.
    """
    if least_p(n_seeds) >= level:
        return 0.0
    units = np.asarray(pilot, dtype=float)
    drawn = np.random.default_rng([len(units), n_seeds]).choice(units, (RESAMPLES, n_seeds))
    return float(np.mean([test(each) < level for each in drawn]))


def normal_pilot(mean: float, deviation: float, n: int = 40) -> NDArray[np.float64]:
    """Differences with this mean and standard deviation, normally distributed, where there is no pilot yet."""
    quantiles = np.array([NormalDist().inv_cdf((place + 0.5) / n) for place in range(n)])
    return np.asarray(mean + deviation * quantiles / quantiles.std())


def _as_large(units: NDArray[np.float64]) -> float:
    """The share of all signs of the units with as large a sum.

    The sums of one half are looked up among those of the other: 2^(n/2) of each, so that forty seeds are no trouble.
    """
    left, right = (_signed_sums(half) for half in np.array_split(units, 2))
    right.sort()
    slack = 1e-12 * (1 + np.abs(units).sum())
    smaller = np.searchsorted(right, units.sum() - slack - left)
    return float((len(right) - smaller).sum() / (len(left) * len(right)))


def _signed_sums(units: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros(1)
    for unit in units:
        sums = np.concatenate([sums - unit, sums + unit])
    return sums
