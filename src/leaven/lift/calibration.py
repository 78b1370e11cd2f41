"""A judge beside marks that were published: does it agree with them, and better than length alone does.

Intervals are the middle 95 % of rows (or pairs) drawn anew; the gain over length is of the same draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from leaven.lift.published_marks import Measure, Published
from leaven.llm.judge import check_read, marks_of, totals, trials
from leaven.llm.protocol import LLM, Sampling
from leaven.llm.trust import KINDS, Trust, spearman, trust
from leaven.rows.dataset import Dataset

DRAWS = 1000
CHANCE: dict[Measure, float] = {"Spearman": 0.0, "AUC": 0.5, "agreement": 0.5}
Values = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """A figure with the ends of its 95 % interval; NaN where it can't be told."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return "–" if np.isnan(self.value) else f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Result:
    """The judge on one set: how many of its rows or pairs could be read, its figure, that of length, and the gain."""

    name: str
    measure: Measure
    count: int
    whole: int
    judge: Interval
    length: Interval
    gain: Interval

    @property
    def better(self) -> bool:
        """Whether the judge beats both chance and length."""
        return self.judge.low > CHANCE[self.measure] and self.gain.low > 0


def calibrate(
    sets: Sequence[Published], llm: LLM, sampling: Sampling, twice: int, planted: int
) -> tuple[list[Result], Trust, list[str]]:
    """Every set judged, how far the judge can be trusted on them, and the errors of calls that failed.

    Raises UserError when no mark can be read, Unfinished when every call failed.
    """
    rows = [row for one in sets for row in one.rows]
    parsed = marks_of(rows, llm, sampling)
    marks = totals(parsed)
    check_read(parsed, llm.name)
    lengths = np.asarray([float(len(row.answer or "")) for row in rows])
    order = [place for place in Dataset.of(rows).permutation(sampling.seed) if not np.isnan(marks[place])]
    tried, errors = trials(rows, sorted(order[:twice]), sorted(order[:planted]), llm, sampling)
    results, start = [], 0
    for one in sets:
        end = start + len(one.rows)
        results.append(_result(one, marks[start:end], lengths[start:end]))
        start = end
    errors = [one.error or "" for one in parsed if one.reply.text is None] + errors
    return results, trust(marks, tried["again"], lengths, {kind: tried[kind] for kind in KINDS}), errors


def figure(measure: Measure, values: Values, labels: Values) -> float:
    """How well the values follow the labels; NaN where they can't.

    For the agreement the values are the first answer's less the second's, and a tie is half right.
    """
    match measure:
        case "Spearman":
            return spearman(values, labels)
        case "AUC":
            return _auc(values, labels == 1)
        case "agreement":
            return float(np.mean((1 + np.sign(values) * labels) / 2)) if len(values) else float("nan")


def _result(one: Published, marks: Values, lengths: Values) -> Result:
    if one.measure == "agreement":
        marks, lengths = (column[::2] - column[1::2] for column in (marks, lengths))
    there = ~np.isnan(marks)
    judge, length, gain = _intervals(one.measure, marks[there], lengths[there], one.labels[there])
    return Result(one.name, one.measure, int(there.sum()), len(one.labels), judge, length, gain)


def _intervals(measure: Measure, marks: Values, lengths: Values, labels: Values) -> tuple[Interval, ...]:
    """Of the judge, of length, and of the judge less length."""
    rng = np.random.default_rng(0)
    points = [figure(measure, column, labels) for column in (marks, lengths)]
    draws = np.full((DRAWS, 3), np.nan)
    for draw in range(DRAWS if len(labels) else 0):
        rows = rng.integers(0, len(labels), len(labels))
        draws[draw, :2] = [figure(measure, column[rows], labels[rows]) for column in (marks, lengths)]
    draws[:, 2] = draws[:, 0] - draws[:, 1]
    ends = [
        np.nanquantile(column, (0.025, 0.975)) if not np.isnan(column).all() else (np.nan, np.nan) for column in draws.T
    ]
    values = (*points, points[0] - points[1])
    return tuple(Interval(value, float(low), float(high)) for value, (low, high) in zip(values, ends, strict=True))


def _auc(values: Values, chosen: npt.NDArray[np.bool_]) -> float:
    """The chance that a chosen row has the larger value; ties count half."""
    if chosen.all() or not chosen.any():
        return float("nan")
    count = int(chosen.sum())
    ranks = stats.rankdata(values)
    return float((ranks[chosen].sum() - count * (count + 1) / 2) / (count * (len(values) - count)))
