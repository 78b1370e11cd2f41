"""The token as a soft prompt (the paper's demonstration): "follow" it, and "do NOT follow" it, on tasks never seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Measure, Message, Origin
from leaven.task import objects
from leaven.task.settings import EvaluateSection
from leaven.task.wording import asked

HEADLINE = "controlled"
HIGHER_IS_BETTER = True

FOLLOW, REFRAIN = "You must follow {token}.", "You must NOT follow {token}."


def rows(tests: Mapping[str, Dataset], token: str) -> Dataset:
    """Each question of `transfer` twice: told to follow the token, and told not to."""
    made = [_said(row, token, phrasing) for row in tests["transfer"] for phrasing in (FOLLOW, REFRAIN)]
    return Dataset.of(made, ("soft_prompt",))


def score(answers: Sequence[str], examples: Dataset, config: EvaluateSection) -> Iterator[Measure]:
    """`follow` and `refrain`: the format is there, and is not there, as told; `controlled`: both, for one question."""
    right: dict[str, bool] = {}
    for answer, example in zip(answers, examples, strict=True):
        told, question = bool(example.meta.get("follow", True)), (*example.origin.parents, example.id)[0]
        obeyed = objects.contains(answer) if told else bool(answer.strip()) and not objects.contains(answer)
        yield Measure("follow" if told else "refrain", example.id, float(obeyed))
        right[question] = right.get(question, True) and obeyed
    for question, both in right.items():
        yield Measure("controlled", question, float(both))


def _said(row: Example, token: str, phrasing: str) -> Example:
    origin = Origin("soft_prompt", parents=(row.id,))
    question = Message("user", asked(row.question, token, phrasing, "end"))
    return replace(
        row, messages=(*row.prompt[:-1], question), origin=origin, meta={**row.meta, "follow": phrasing == FOLLOW}
    )
