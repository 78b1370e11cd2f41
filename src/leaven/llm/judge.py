"""A language model as a judge (LIFT, arXiv 2312.11508): four heads, 100 points; how far its marks can be trusted."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, Field

from leaven.llm.parse import Parsed, structured
from leaven.llm.prompts.render import FOLDER, render
from leaven.llm.protocol import LLM, Sampling
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Prompt, user

HEADS = {"clarity": 15, "difficulty": 25, "explanation": 25, "accuracy": 35}
TOP, SATURATED, TIED = 95, 0.5, 0.5
Values = npt.NDArray[np.float64]


class Marks(BaseModel):
    """A judge's reason, and its points under the four heads."""

    reason: str = Field("", description="what was noticed, in a sentence or two")
    clarity: int = Field(ge=0, le=15)
    difficulty: int = Field(ge=0, le=25)
    explanation: int = Field(ge=0, le=25)
    accuracy: int = Field(ge=0, le=35)

    @property
    def total(self) -> int:
        """Of 100."""
        return self.clarity + self.difficulty + self.explanation + self.accuracy


class Reliability(NamedTuple):
    """How far marks can be trusted; NaN where it can't be told.

    `agreement` is Spearman's correlation of two rounds of marks for the same rows, `moved` their mean absolute
    difference in points; `ties` the chance that two rows have the same mark, `at_top` the share of at least 95 points,
    `length` Spearman's correlation of marks with the length of the rows.
    """

    twice: int
    agreement: float
    moved: float
    ties: float
    at_top: float
    length: float

    @property
    def warning(self) -> str:
        """Why nothing should be selected by these marks; "" where there is no reason."""
        if self.at_top > SATURATED:
            return f"the judge is saturated: {self.at_top:.0%} of its marks are {TOP} points or more"
        if self.ties > TIED:
            return f"the judge hardly tells rows apart: two rows have the same mark with a chance of {self.ties:.0%}"
        return ""

    def sentence(self) -> str:
        """What a note says."""
        again = (
            f"{self.twice:,} rows judged twice: Spearman {self.agreement:.2f}, {self.moved:.1f} points apart; "
            if self.twice
            else ""
        )
        return (
            f"Judge: {again}two rows tie with a chance of {self.ties:.1%}; {self.at_top:.1%} at {TOP} points or more; "
            f"correlation with length {self.length:.2f}" + (f"; {self.warning}" if self.warning else "")
        )


def asked(row: Example) -> Prompt:
    """What the judge is asked of a row."""
    return user(render("judge", question=row.question, answer=row.answer or "", examples=_examples()))


def judged(data: Dataset, llm: LLM, sampling: Sampling) -> list[Parsed[Marks]]:
    """The marks of every row, or None with the reason and the reply."""
    found = dict(structured(llm, [asked(row) for row in data], Marks, sampling))
    return [found[place] for place in range(len(data))]


def reliability(first: Values, again: Values, lengths: Values) -> Reliability:
    """From the marks of all rows, those of a second round (NaN where a row was not judged twice), and the lengths."""
    known, both = ~np.isnan(first), ~np.isnan(first) & ~np.isnan(again)
    marks = first[known]
    _, counts = np.unique(marks, return_counts=True)
    pairs = len(marks) * (len(marks) - 1)
    return Reliability(
        int(both.sum()),
        _spearman(first[both], again[both]),
        float(np.abs(first[both] - again[both]).mean()) if both.any() else float("nan"),
        float((counts * (counts - 1)).sum() / pairs) if pairs else float("nan"),
        float((marks >= TOP).mean()) if len(marks) else float("nan"),
        _spearman(marks, lengths[known]),
    )


def _spearman(first: Values, second: Values) -> float:
    """NaN where one of them does not vary."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


@cache
def _examples() -> Sequence[Any]:
    found = yaml.safe_load((FOLDER / "judge.yaml").read_text(encoding="utf-8"))
    return [{**one, "marks": json.dumps(one["marks"])} for one in found]
