"""What a study works on: task rows, tests by name, a pool of queries, and what was said and dropped on the way."""

from collections.abc import Mapping
from dataclasses import dataclass

from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop


@dataclass(frozen=True, slots=True)
class Material:
    """The name of a test is the name of the metric that scores it; `dropped` says from where each row was taken."""

    task: Dataset
    tests: Mapping[str, Dataset]
    pool: Dataset
    notes: tuple[str, ...] = ()
    dropped: tuple[tuple[str, Drop], ...] = ()
