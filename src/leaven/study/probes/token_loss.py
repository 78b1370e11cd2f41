"""The loss on the test's references, and on the tokens that matter: those of the format (arXiv 2408.10841, Figure 3).

The paper's code keeps only its last batch, and shifts labels wrongly under left padding. Here each row is read alone.
"""

from collections.abc import Iterator

import torch
from torch.nn import functional

from leaven.models import answer
from leaven.models.load import Loaded
from leaven.rows.example import Example, Measure
from leaven.task.task import Task


def measure(loaded: Loaded, task: Task) -> Iterator[Measure]:
    """Of every row of the task's test, the mean loss of the reference: `answer`, `important`, `first`.

    `important` is over the tokens with a mark of the format (JSON: braces, quotes, colons); `first` is the first's.
    """
    for row in task.tests[0].rows if task.tests else ():
        if row.answer is None:
            continue
        values, texts = losses(loaded, row)
        yield Measure("answer", row.id, sum(values) / len(values))
        yield Measure("first", row.id, values[0])
        of_marks = [
            value for value, text in zip(values, texts, strict=True) if any(mark in text for mark in task.format.marks)
        ]
        if of_marks:
            yield Measure("important", row.id, sum(of_marks) / len(of_marks))


@torch.no_grad()
def losses(loaded: Loaded, row: Example) -> tuple[list[float], list[str]]:
    """The loss of each trained token of a row, and its text."""
    logits, tokens = answer.logits(loaded, row)
    each: list[float] = functional.cross_entropy(logits, tokens, reduction="none").tolist()
    return each, [loaded.tokenizer.decode([token]) for token in tokens.tolist()]
