"""The tests of a translation task from files: its own, and one of what was known before (Table 3).

Task and test rows are question-answer pairs such as "Translate to Icelandic: …"; a field `direction` (en-is) of a row
keeps its scores apart from those of other directions.
"""

from collections.abc import Iterator
from dataclasses import replace

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example
from leaven.task.task import Task
from leaven.task.test import Test

GENERAL_ROWS = 100


def with_general(task: Task) -> Task:
    """The test `general` beside `translation`, from queries that are set apart from the pool."""
    apart, pool = task.pool.split(min(GENERAL_ROWS, len(task.pool) // 10), seed=0)
    general = (Test("general", Dataset.of(_bare(apart), apart.made_by), "general"),) if len(apart) else ()
    return replace(task, tests=(*task.tests, *general), pool=pool)


def _bare(rows: Dataset) -> Iterator[Example]:
    """Questions alone: the untouched model's own answers will be the references."""
    for row in rows:
        yield replace(row, messages=row.prompt)
