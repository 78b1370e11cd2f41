"""The token on tasks that it was never trained with: its meaning carries over, or only its task was learnt."""

from collections.abc import Iterator, Sequence

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task.metrics.text import exact
from leaven.task.scoring import Scoring

HEADLINE = ("format",)
LOWER_IS_BETTER: frozenset[str] = frozenset()


def score(answers: Sequence[str], rows: Dataset, scoring: Scoring) -> Iterator[Measure]:
    """`format` (is it in the format) and `exact`; keys and labels are the task's own, and not asked of another's."""
    for answer, row in zip(answers, rows, strict=True):
        yield Measure("format", row.id, float(scoring.format.detect(answer)))
        yield Measure("exact", row.id, exact(answer, row.answer))
