"""What is to be learnt: rows, the token that asks for it, the tests that show it, and a pool of other questions."""

from dataclasses import dataclass, field

from leaven.errors import UserError, nearest
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop
from leaven.task.format import Format
from leaven.task.test import Test
from leaven.task.token import TokenSection


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """All that a study works on, and what was said and dropped on the way.

    The first test is the task's own, which probes read too; `dropped` says from where each row came.
    """

    rows: Dataset
    tests: tuple[Test, ...]
    pool: Dataset
    format: Format
    token: TokenSection = field(default_factory=TokenSection)
    notes: tuple[str, ...] = ()
    dropped: tuple[tuple[str, Drop], ...] = ()

    def test(self, name: str) -> Test:
        """The test of this name. Raises UserError where there is none."""
        for test in self.tests:
            if test.name == name:
                return test
        raise UserError(f"there is no test called {name!r}", nearest(name, [test.name for test in self.tests]))
