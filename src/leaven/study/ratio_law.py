"""The ratio law: the smallest buffer that a task needs, from a pilot of a few ratios, with an interval.

How many plain questions are answered in the task's format falls with the rows r of the buffer for each task row as

    logit leak(r) = a - b log(1 + B r),    b, B > 0.

In the law of forgetting (arXiv 2502.06042) a share p of replay acts as (1 + B p) N parameters; here such a factor
divides the odds of a leak. What is learnt may rise or fall, logit learnt(r) = c + s log(1 + r). Each answer is a draw
by these odds, and each tuned model is off by a normal error of its own, since another seed comes out otherwise.

The posterior is taken on a grid: no pilot, not even one where all leaks or nothing does, has no answer. Its prior is
flat in a, c, s, log b and log B.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BOUND = 0.02
"""The share of plain questions that may be answered in the format."""
REACH = 0.75
"""The share of held-out rows, asked in new phrasings, that must be."""
ASSURANCE = 0.8
"""How sure the pilot has to be that a ratio suffices, to name it."""
INTERVAL = (0.05, 0.95)
DRAWS = 4_000

LEAK_AT_0 = np.linspace(-8, 8, 41)
FALL = np.geomspace(0.5, 8, 17)
FACTOR = np.geomspace(0.5, 100, 17)
LEARNT_AT_0 = np.linspace(-6, 8, 43)
TREND = np.linspace(-3, 3, 25)
ERRORS = (0.0, 0.4, 0.8)
"""Standard deviations of a tuned model's own error, on the scale of logits: each is as likely as the others."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
LOGITS = np.linspace(-60, 20, 641)


@dataclass(frozen=True, slots=True)
class Observation:
    """A model tuned at a ratio: in the format are `leaks` of `plain` questions, `learnt` of `asked` held-out rows."""

    ratio: float
    leaks: int
    plain: int
    learnt: int
    asked: int


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """What a pilot says: draws of both curves from the posterior, one a row.

    `leak` holds a, b, B (draws, 3), `learnt` c and s (draws, 2), `smallest` the smallest ratio up to `largest` at which
    both bounds are kept, infinite where there is none (draws,).
    """

    leak: Array
    learnt: Array
    smallest: Array
    largest: float

    @property
    def ratio(self) -> float:
        """The smallest ratio that suffices by four draws of five; infinite where none up to the largest tried does."""
        return _up(float(np.quantile(self.smallest, ASSURANCE, method="inverted_cdf")))

    @property
    def interval(self) -> tuple[float, float]:
        """Where the smallest ratio that suffices lies, nine times in ten."""
        low, high = np.quantile(self.smallest, INTERVAL, method="inverted_cdf")
        return float(low), float(high)

    def sufficient(self, ratio: float) -> float:
        """How likely it is that the ratio suffices."""
        return float(np.mean(self.smallest <= ratio))

    def leaks(self, ratios: Sequence[float]) -> Array:
        """Median and interval of the leak at each ratio, (3, ratios)."""
        return np.quantile(_share(_leak_logits(self.leak, np.asarray(ratios))), (0.5, *INTERVAL), axis=0)

    def learns(self, ratios: Sequence[float]) -> Array:
        """The same of what is learnt."""
        return np.quantile(_share(_learnt_logits(self.learnt, np.asarray(ratios))), (0.5, *INTERVAL), axis=0)

    def sentence(self) -> str:
        """The answer in words."""
        if self.ratio == 0:
            return f"0: nothing leaks at this rate without a buffer, with a chance of {self.sufficient(0):.0%}."
        if math.isinf(self.ratio):
            leak, learnt = (float(curve([self.largest])[0, 0]) for curve in (self.leaks, self.learns))
            return (
                f"None of the ratios tried is enough: at {self.largest:g}, where {leak:.1%} leaks and {learnt:.0%} is "
                f"learnt, the chance is {self.sufficient(self.largest):.0%}."
            )
        low, high = (f"{end:.2g}" if end <= self.largest else f"more than {self.largest:g}" for end in self.interval)
        return (
            f"{self.ratio:g}: enough with a chance of {ASSURANCE:.0%}. The smallest that is lies between {low} and "
            f"{high}, nine times in ten."
        )


def fit(observations: Sequence[Observation], bound: float = BOUND, reach: float = REACH, seed: int = 0) -> Law:
    """The law behind these observations, one for each tuned model.

    >>> pilot = [Observation(0, 40, 40, 20, 20), Observation(0.5, 6, 40, 20, 20), Observation(2, 0, 40, 19, 20)]
    >>> 0.5 < fit(pilot).ratio <= 2
    True
    """
    ratios = np.array([one.ratio for one in observations], dtype=float)
    rng = np.random.default_rng(seed)
    leak = _drawn(_leak_grid(), _leak_logits, ratios, [(one.leaks, one.plain) for one in observations], rng)
    learnt = _drawn(_learnt_grid(), _learnt_logits, ratios, [(one.learnt, one.asked) for one in observations], rng)
    largest = float(ratios.max())
    return Law(leak, learnt, _smallest(leak, learnt, largest, bound, reach), largest)


def _smallest(leak: Array, learnt: Array, largest: float, bound: float, reach: float) -> Array:
    """The smallest ratio at which both bounds are kept, for each draw; infinite where none up to the largest does."""
    (a, fall, factor), (c, trend) = leak.T, learnt.T
    enough = np.expm1(np.maximum(0, a - _logit(bound)) / fall) / factor
    edge = (_logit(reach) - c) / np.where(trend, trend, math.inf)  # log(1 + r) where as much is learnt as has to be
    reached, unlearnt = np.expm1(np.clip(edge, 0, 50)), c < _logit(reach)
    least = np.where(unlearnt, np.where(trend > 0, reached, math.inf), 0.0)
    most = np.where(~unlearnt & (trend < 0), reached, math.inf)
    smallest = np.maximum(enough, least)
    return np.where(smallest <= np.minimum(most, largest), smallest, math.inf)


def _leak_logits(parameters: Array, ratios: Array) -> Array:
    a, b, factor = (column[:, None] for column in parameters.T)
    return np.asarray(a - b * np.log1p(factor * ratios))


def _learnt_logits(parameters: Array, ratios: Array) -> Array:
    c, trend = (column[:, None] for column in parameters.T)
    return np.asarray(c + trend * np.log1p(ratios))


def _drawn(
    grid: Array, logits: Any, ratios: Array, counts: Sequence[tuple[int, int]], rng: np.random.Generator
) -> Array:
    """Cells of the grid drawn by how likely they make what was counted at these ratios."""
    at = logits(grid, ratios)
    each_error = [
        sum(np.interp(at[:, place], LOGITS, _likelihood(*count, error)) for place, count in enumerate(counts))
        for error in ERRORS
    ]
    log = np.logaddexp.reduce(each_error, axis=0)
    weights = np.exp(log - log.max())
    places = np.searchsorted(np.cumsum(weights), rng.random(DRAWS) * weights.sum())
    return np.asarray(grid[np.minimum(places, len(grid) - 1)])


@cache
def _likelihood(hits: int, total: int, error: float) -> Array:
    """The log-likelihood of a count at each of `LOGITS`, over the model's own normal error (Gauss-Hermite)."""
    shifted = LOGITS[:, None] + error * NODES
    log = -hits * np.logaddexp(0, -shifted) - (total - hits) * np.logaddexp(0, shifted)
    return np.asarray(np.logaddexp.reduce(log + np.log(WEIGHTS / WEIGHTS.sum()), axis=1))


@cache
def _leak_grid() -> Array:
    return np.stack([axis.ravel() for axis in np.meshgrid(LEAK_AT_0, FALL, FACTOR)], axis=1)


@cache
def _learnt_grid() -> Array:
    return np.stack([axis.ravel() for axis in np.meshgrid(LEARNT_AT_0, TREND)], axis=1)


def _share(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits)))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _up(ratio: float) -> float:
    """Rounded up to two digits."""
    if not ratio or math.isinf(ratio):
        return ratio
    unit = 10.0 ** (math.floor(math.log10(ratio)) - 1)
    return float(f"{math.ceil(ratio / unit - 1e-9) * unit:.6g}")
