"""Keep rows that speak for all others: greedy facility location, the largest sum of each row's best similarity.

f(S) = sum over rows v of max over s in S of max(cosine(v, s), 0). It is submodular, so a gain once computed bounds the
gain later, and most are never computed again (lazy greedy); the result is that of the plain greedy. All pairs of rows
count, which is slow from some ten thousand rows on: there, let a row be served by its nearest alone (`--neighbours`).
"""

import heapq

import numpy as np
from pydantic import Field

from leaven.lift.components import Numbers
from leaven.lift.neighbours import Positions, nearest, similarities
from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.lift.vectors import Array
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs.progress import Advance

NEEDS = ("vectors",)
BATCH = 16


class Config(Size):
    """How many rows, and who can speak for whom."""

    neighbours: int = Field(0, ge=0)
    """A row is served by so many of its nearest rows alone, which is quicker (100 do well); 0: by any row."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """As many rows as asked for; `cosine` is each row's to the kept row that speaks for it."""
    count = config.of(len(data))
    unit = context.vectors(data).unit()
    with context.progress.track("facility_location", count, "rows") as advance:
        kept, served = chosen(_Near.of(unit, config.neighbours) if config.neighbours else _All(unit), count, advance)
    return outcome(data, kept, "facility_location", "a kept row speaks for it", {"cosine": tuple(served.tolist())})


class _All:
    """Every row can serve every row: the cosines are computed when they are asked for."""

    def __init__(self, unit: Array) -> None:
        self.unit, self.rows = unit, len(unit)

    def first(self) -> Numbers:
        """The gain of each row where nothing is chosen, (rows,)."""
        parts = [np.maximum(cosines, 0).sum(1, dtype=np.float64) for _, cosines in similarities(self.unit, self.unit)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def gains(self, rows: list[int], served: Array) -> Numbers:
        """What each of these rows would add, (len(rows),)."""
        gains: Numbers = np.maximum(self.unit @ self.unit[rows].T - served[:, None], 0).sum(0, dtype=np.float64)
        return gains

    def serve(self, row: int, served: Array) -> None:
        """Choose the row."""
        np.maximum(served, self.unit @ self.unit[row], out=served)


class _Near:
    """A row is served by its nearest alone: for each row, whom it can serve and how well."""

    def __init__(self, starts: Positions, whom: Positions, cosines: Array) -> None:
        self.starts, self.whom, self.cosines, self.rows = starts, whom, cosines, len(starts) - 1

    @classmethod
    def of(cls, unit: Array, neighbours: int) -> "_Near":
        cosines, positions = nearest(unit, unit, neighbours + 1)  # itself is among them, or a copy of it
        order = np.argsort(positions, axis=None, kind="stable")
        starts = np.searchsorted(positions.ravel()[order], np.arange(len(unit) + 1))
        return cls(starts, order // max(1, positions.shape[1]), np.maximum(cosines.ravel()[order], 0))

    def first(self) -> Numbers:
        totals = np.concatenate([[0.0], np.cumsum(self.cosines, dtype=np.float64)])
        sums: Numbers = totals[self.starts[1:]] - totals[self.starts[:-1]]
        return sums

    def gains(self, rows: list[int], served: Array) -> Numbers:
        return np.asarray([np.maximum(cosines - served[whom], 0).sum() for whom, cosines in map(self._of, rows)])

    def serve(self, row: int, served: Array) -> None:
        whom, cosines = self._of(row)
        served[whom] = np.maximum(served[whom], cosines)

    def _of(self, row: int) -> tuple[Positions, Array]:
        here = slice(self.starts[row], self.starts[row + 1])
        return self.whom[here], self.cosines[here]


def chosen(pairs: _All | _Near, count: int, advance: Advance | None = None) -> tuple[list[int], Array]:
    """The rows in the order of their choice, and how well each row is served, (rows,); ties go to the earlier row."""
    served = np.zeros(pairs.rows, np.float32)
    heap = [(-gain, row) for row, gain in enumerate(pairs.first().tolist())]
    heapq.heapify(heap)
    fresh = np.zeros(pairs.rows, np.int64)  # how many rows were kept when the gain was computed
    kept: list[int] = []
    while len(kept) < count:
        if fresh[heap[0][1]] == len(kept):
            row = heapq.heappop(heap)[1]
            pairs.serve(row, served)
            kept.append(row)
            if advance is not None:
                advance(len(kept))
            continue
        # A product with a few rows costs little more than with one, so the next few are computed together.
        rows = [heapq.heappop(heap)[1] for _ in range(min(BATCH, len(heap)))]
        for row, gain in zip(rows, pairs.gains(rows, served).tolist(), strict=True):
            fresh[row] = len(kept)
            heapq.heappush(heap, (-gain, row))
    return kept, served
