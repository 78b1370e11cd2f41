"""A test of a study: rows to be answered, and the metric that scores the answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leaven.rows.dataset import Dataset


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """Rows by a name, which comes before each measure (`transfer/format`); two tests may share a metric.

    `metric` is a file of `task/metrics/`, or one of your own by its path; `settings` are its own.
    """

    __test__ = False  # pytest takes every class called Test for one of its own

    name: str
    rows: Dataset
    metric: str
    settings: Mapping[str, Any] = field(default_factory=dict)
