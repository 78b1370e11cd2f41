"""What is told of a cell beside its answers: notes, the seconds of its parts, and every row that was dropped."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop
from leaven.rows.outcomes import Outcome


@dataclass(slots=True)
class Ledger:
    """The one part of a bench that changes: methods and their steps write into it, and `cell.json` shows it."""

    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    dropped: list[Drop] = field(default_factory=list)
    substitutes: list[tuple[Dataset, Dataset]] = field(default_factory=list)
    """The model's own rows, and the answers of others that a method took in their place: to the same queries."""

    def keep(self, outcome: Outcome) -> Dataset:
        """The rows that a step kept; what it dropped and noted is written down."""
        self.notes.extend(outcome.notes)
        self.dropped.extend(outcome.dropped)
        return outcome.kept

    def counted(self, name: str, share: float, task_rows: int, rows: int) -> int:
        """The rows for which a share of the task rows stands; a note says where they are none though the share is."""
        if share and not rows:
            self.notes.append(f"{name} {share:g} of {task_rows:,} task rows is no row at all.")
        return rows

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the seconds of a `with` block to those of `part`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0) + time.perf_counter() - began
