"""Each question asked for the token's format, and with that format forbidden: who knows what it means does both.

A model that never uses the format obeys every prohibition and one that always uses it follows every request: only both
together show that the token is understood (DELIA, arXiv 2408.10841, section 4, asks for the prohibition alone).
"""

from collections.abc import Iterator, Sequence

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task.metrics.text import exact
from leaven.task.scoring import Scoring, question_of

HEADLINE = ("controlled",)
LOWER_IS_BETTER: frozenset[str] = frozenset()


def score(answers: Sequence[str], rows: Dataset, scoring: Scoring) -> Iterator[Measure]:
    """`follows` (asked for it, in the format), `obeyed` (forbidden, and not in it), `controlled` (both), `exact`.

    A row asks for the format where its field `follow` is true, and else forbids it. An empty answer does not obey: a
    model that fell silent would otherwise lead the table. `controlled` is of questions that are asked in both ways.
    """
    results: dict[str, dict[bool, bool]] = {}
    for answer, row in zip(answers, rows, strict=True):
        follow = bool(row.meta.get("follow", False))
        right = does(answer, follow, scoring)
        yield Measure("follows" if follow else "obeyed", row.id, float(right))
        yield Measure("exact", row.id, exact(answer, row.answer))
        results.setdefault(question_of(row), {})[follow] = right
    for question, both in results.items():
        if len(both) == 2:
            yield Measure("controlled", question, float(all(both.values())))


def does(answer: str, follow: bool, scoring: Scoring) -> bool:
    """Whether an answer does as it is told: it has the format, or there is an answer without it."""
    return scoring.format.detect(answer) if follow else bool(answer.strip()) and not scoring.format.detect(answer)
