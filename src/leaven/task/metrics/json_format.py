"""The format of the task under its own phrasings: parses, fits the schema, has the right label."""

from collections.abc import Iterator, Sequence

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task import objects
from leaven.task.settings import EvaluateSection

HEADLINE = "json"
HIGHER_IS_BETTER = True


def score(answers: Sequence[str], examples: Dataset, config: EvaluateSection) -> Iterator[Measure]:
    """`json` (read in any way), `strict`, `python`, `repaired` (so read), `schema`, `label_accuracy`, `exact`.

    Over all rows also `macro_f1`, the mean F1 of the labels.
    """
    yield from objects.measures(answers, examples, config)
