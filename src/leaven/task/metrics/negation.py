"""Prompts that forbid the token's format: whoever knows what it means leaves it out."""

from collections.abc import Iterator, Sequence

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task import objects
from leaven.task.settings import EvaluateSection

HEADLINE = "obeyed"
HIGHER_IS_BETTER = True


def score(answers: Sequence[str], examples: Dataset, config: EvaluateSection) -> Iterator[Measure]:
    """`obeyed`: there is an answer, and no JSON-like object anywhere in it; `exact`: it is the reference.

    An empty answer does not obey: a model that fell silent would otherwise lead the table.
    """
    for answer, example in zip(answers, examples, strict=True):
        obeyed = bool(answer.strip()) and not objects.contains(answer)
        yield Measure("obeyed", example.id, float(obeyed))
        yield Measure("exact", example.id, objects.exact(answer, example.answer))
