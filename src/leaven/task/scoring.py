"""What a metric is, and what it may use to score answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Measure, Prompt
from leaven.task.format import Format

PHRASING = "phrasing"
"""The field of a test row that says in which words it asks: rows of one phrasing are not independent."""

Judge = Callable[[Sequence[tuple[Prompt, str]]], Sequence[float]]
"""The marks, from 0 to 1, of (prompt, answer) pairs; NaN for an answer that could not be judged."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a metric may use: the format that the token means, the settings of the test, and a judge if there is one."""

    format: Format
    settings: Mapping[str, Any] = field(default_factory=dict)
    judge: Judge | None = None


class Metric(Protocol):
    """A file of `task/metrics/`: what it yields for the answers to a test's rows."""

    HEADLINE: tuple[str, ...]
    """The measures that tables and comparisons show, the most telling first."""
    LOWER_IS_BETTER: frozenset[str]
    """Those of its measures that are better when low."""

    def score(self, answers: Sequence[str], rows: Dataset, scoring: Scoring) -> Iterator[Measure]:
        """Measures of each row, by its id, and of the whole test, whose item is ""."""


def question_of(row: Example) -> str:
    """What tells the rows apart that ask one question: several rows may, told to follow the token and not to."""
    return str(row.meta.get("question", row.id))
