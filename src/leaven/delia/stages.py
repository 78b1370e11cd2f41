"""Two stages of training: the task first, then diverse rows with a little of the task kept (DMT, arXiv 2310.05492)."""

import math
from dataclasses import dataclass

from leaven.delia import buffer
from leaven.rows.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Stages:
    """The rows of both stages, in order, and how many task rows the second one keeps."""

    first: Dataset
    second: Dataset
    kept: int
    note: str


def stages(task: Dataset, diverse: Dataset, share: float, seed: int) -> Stages:
    """All task rows, then the diverse rows with `share` of the task rows among them, at least one.

    The paper's 1/256 of 100 rows is under half a row; `note` says what was kept instead.
    """
    kept = rehearsal_rows(len(task), share)
    note = f"The second stage keeps {kept} of {len(task)} task rows"
    if share * len(task) < 1 and kept:
        note += f" ({share:.4g} of them would be {share * len(task):.2g}: at least one is kept)"
    second = buffer.mix(task.take(kept, seed), diverse, seed)
    return Stages(buffer.mix(task, Dataset.of([]), seed), second, kept, f"{note}.")


def rehearsal_rows(task_rows: int, share: float) -> int:
    """How many task rows a share stands for: rounded, and at least one where there is any share at all."""
    if share <= 0:
        return 0
    return min(task_rows, max(1, math.floor(share * task_rows + 0.5)))


def repeat(task: Dataset, n: int, seed: int) -> Dataset:
    """`n` copies of task rows, each as often as any other (give or take one): the control without new content."""
    order = task.permutation(seed)
    return task.rows([order[place % len(order)] for place in range(n)], f"repeated({n})")
