"""The format of the task under phrasings that training never used: the scores of json_format, on harder rows."""

from collections.abc import Iterator, Sequence

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task import objects
from leaven.task.settings import EvaluateSection

HEADLINE = "json"
HIGHER_IS_BETTER = True


def score(answers: Sequence[str], examples: Dataset, config: EvaluateSection) -> Iterator[Measure]:
    """`json`, `strict`, `python`, `repaired`, `schema`, `label_accuracy`, `exact` for each row, `macro_f1` over all."""
    yield from objects.measures(answers, examples, config)
