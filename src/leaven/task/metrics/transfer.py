"""The token on tasks that it was never trained with: its meaning carries over, or only its task was learnt."""

from collections.abc import Iterator, Sequence

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task import objects
from leaven.task.settings import EvaluateSection

HEADLINE = "json"
HIGHER_IS_BETTER = True


def score(answers: Sequence[str], examples: Dataset, config: EvaluateSection) -> Iterator[Measure]:
    """`json` (read in any way), `strict`, `exact`, and `keys`: the object has the first of the task's keys.

    The other keys are the task's own: another task names its answer otherwise.
    """
    for answer, example in zip(answers, examples, strict=True):
        found = objects.extract(answer)
        keys = found.value is not None and config.keys[0] in found.value
        yield Measure("json", example.id, float(found.value is not None))
        yield Measure("strict", example.id, float(found.way == "strict"))
        yield Measure("keys", example.id, float(keys))
        yield Measure("exact", example.id, objects.exact(answer, example.answer))
