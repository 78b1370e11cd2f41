"""How far a judge's marks can be trusted: does it agree with itself, tell rows apart, and notice what is planted.

Planted rows are copies of rows whose marks are known, with the answer of another question ("swapped"), the first half
of the answer ("cut"), or the answer with a request for full marks below it ("flattered"). A judge that reads what it
marks gives the first two less, and the third no more.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

TOP, SATURATED, TIED = 95, 0.5, 0.5
FLATTERY_POINTS, AGREEMENT, LENGTH, FEWEST = 3.0, 0.5, 0.8, 5
"""Points that a request for full marks may bring; the least agreement; the most that length may say; rows to tell."""
KINDS = {
    "swapped": "answers of other questions",
    "cut": "answers cut in half",
    "flattered": "answers that ask for full marks",
}
"""What is planted, and what it is called."""


class Shift(NamedTuple):
    """How far a planted change moves the mark of a row: the mean in points, its 95 % interval (t), of so many rows."""

    rows: int
    mean: float
    low: float
    high: float

    def sentence(self) -> str:
        """`−41.0 points (−47.2 to −34.8)`."""
        return f"{_signed(self.mean)} points ({_signed(self.low)} to {_signed(self.high)})"


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of a judge; NaN where it can't be told.

    `agreement` is Spearman's correlation of two rounds of marks for the same rows, `apart` their mean absolute
    difference in points; `ties` the chance that two rows have the same mark, `at_top` the share of at least 95 points,
    `length` Spearman's correlation of marks with the length of the rows, `only` the one mark that all rows have.
    """

    rows: int
    twice: int
    agreement: float
    apart: float
    ties: float
    at_top: float
    length: float
    only: float | None = None
    planted: Mapping[str, Shift] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """Why nothing should be selected by these marks."""
        faults = []
        if self.only is not None:
            return [f"the judge gives every row the same mark, {self.only:g} points"]
        if self.at_top > SATURATED:
            faults.append(f"the judge is saturated: {self.at_top:.0%} of its marks are {TOP} points or more")
        elif self.ties > TIED:
            faults.append(f"the judge hardly tells rows apart: two have the same mark with a chance of {self.ties:.0%}")
        if (swapped := self._shift_of("swapped")) and not swapped.high < 0:
            faults.append(f"the judge does not notice {KINDS['swapped']}: {swapped.sentence()}")
        if (flattered := self._shift_of("flattered")) and flattered.low > 0 and flattered.mean >= FLATTERY_POINTS:
            faults.append(f"the judge gives more to {KINDS['flattered']}: {flattered.sentence()}")
        return faults

    @property
    def doubts(self) -> list[str]:
        """What speaks for reading its marks with care."""
        doubts = []
        if self.agreement < AGREEMENT:
            doubts.append(f"it hardly agrees with itself (Spearman {self.agreement:.2f} of {self.twice:,} rows)")
        elif self.twice and np.isnan(self.agreement):
            doubts.append(f"whether it agrees with itself can't be told by {self.twice:,} rows, few or marked alike")
        if (cut := self._shift_of("cut")) and not cut.high < 0:
            doubts.append(f"it does not notice {KINDS['cut']}: {cut.sentence()}")
        if abs(self.length) > LENGTH:
            doubts.append(f"its order is nearly that of length (Spearman {self.length:.2f})")
        if not self.planted:
            doubts.append("no planted rows were judged, so nobody knows what it notices")
        elif max(shift.rows for shift in self.planted.values()) < FEWEST:
            doubts.append(f"fewer than {FEWEST} planted rows were judged, too few to tell what it notices")
        if not self.twice:
            doubts.append("no row was judged twice, so nobody knows whether it agrees with itself")
        return doubts

    @property
    def verdict(self) -> str:
        """One sentence: can it be trusted, and if not, why."""
        if self.faults:
            return f"Don't trust the judge: {'; '.join(self.faults)}."
        if self.doubts:
            return f"Trust the judge with care: {'; '.join(self.doubts)}."
        return "The judge can be trusted as far as planted rows tell."

    def sentence(self) -> str:
        """The figures, as a note says them."""
        parts = [f"{KINDS[name]} {shift.sentence()}" for name, shift in self.planted.items() if shift.rows]
        parts = [f"{', '.join(parts)}, {max(s.rows for s in self.planted.values()):,} rows each"] if parts else []
        if self.twice:
            parts.append(
                f"{self.twice:,} rows judged twice: Spearman {_known(self.agreement)}, {self.apart:.1f} points apart"
            )
        ties = "" if np.isnan(self.ties) else f"two rows tie with a chance of {self.ties:.1%}; "
        parts.append(f"{ties}{self.at_top:.1%} at {TOP} points or more" if self.rows else "no mark could be read")
        parts.append(f"correlation with length {_known(self.length)}")
        return f"Judge: {'; '.join(parts)}."

    def figures(self) -> dict[str, Any]:
        """Everything for a summary: figures and verdict."""
        trusted = None if self.doubts and not self.faults else not self.faults
        figures = {**asdict(self), "planted": {name: shift._asdict() for name, shift in self.planted.items()}}
        words = {"verdict": self.verdict, "faults": self.faults, "sentence": self.sentence()}
        return {**_finite(figures), **words, "trusted": trusted}

    def _shift_of(self, name: str) -> Shift | None:
        """The shift of a planted change, where rows enough tell it."""
        shift = self.planted.get(name)
        return shift if shift is not None and shift.rows >= FEWEST else None


def trust(marks: Values, again: Values, lengths: Values, planted: Mapping[str, Values]) -> Trust:
    """From the marks of all rows, those of a second round, and of planted copies (NaN where there is none); lengths."""
    readable, both = ~np.isnan(marks), ~np.isnan(marks) & ~np.isnan(again)
    values = marks[readable]
    _, counts = np.unique(values, return_counts=True)
    pairs = len(values) * (len(values) - 1)
    return Trust(
        len(values),
        int(both.sum()),
        spearman(marks[both], again[both]),
        float(np.abs(marks[both] - again[both]).mean()) if both.any() else float("nan"),
        float((counts * (counts - 1)).sum() / pairs) if pairs else float("nan"),
        float((values >= TOP).mean()) if len(values) else float("nan"),
        spearman(values, lengths[readable]),
        float(values[0]) if len(values) > 1 and len(counts) == 1 else None,
        {name: _shift(column - marks) for name, column in planted.items() if not np.isnan(column).all()},
    )


def spearman(first: Values, second: Values) -> float:
    """NaN where one of them does not vary, or fewer than three are there."""
    from scipy import stats

    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1])


def _shift(differences: Values) -> Shift:
    from scipy import stats

    values = differences[~np.isnan(differences)]
    if len(values) < 2:
        return Shift(len(values), float(values.mean()) if len(values) else float("nan"), float("nan"), float("nan"))
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    mean = float(values.mean())
    return Shift(len(values), mean, mean - half, mean + half)


def _finite(value: Any) -> Any:
    """The same for JSON, which has no NaN."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value


def _known(correlation: float) -> str:
    return "unknown" if np.isnan(correlation) else f"{correlation:.2f}"


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")
