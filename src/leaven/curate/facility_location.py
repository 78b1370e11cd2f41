"""Keep rows that speak for all others: greedy facility location, the largest sum of each row's best similarity.

f(S) = sum over rows v of max over s in S of max(cosine(v, s), 0). It is submodular, so a gain once computed bounds the
gain later, and most are never computed again (lazy greedy); the result is that of the plain greedy.
"""

import heapq

import numpy as np

from leaven.dataset import Dataset
from leaven.run import Advance
from leaven.selection import Context, Size, outcome
from leaven.types import Outcome
from leaven.vectors.neighbours import similarities
from leaven.vectors.table import Array

NEEDS = ("vectors",)
BATCH = 16


class Config(Size):
    """How many rows."""


def select(data: Dataset, config: Config, context: Context) -> Outcome:
    """As many rows as asked for; `cosine` is each row's to the kept row that speaks for it."""
    count = config.of(len(data))
    unit = context.vectors(data).unit()
    with context.progress.track("facility_location", count, "rows") as advance:
        kept, served = chosen(unit, count, advance)
    return outcome(data, kept, "facility_location", "a kept row speaks for it", {"cosine": tuple(served.tolist())})


def chosen(unit: Array, count: int, advance: Advance | None = None) -> tuple[list[int], Array]:
    """The rows in the order of their choice, and how well each row is served, (rows,); ties go to the earlier row."""
    served = np.zeros(len(unit), np.float32)
    gains = np.concatenate([np.maximum(found, 0).sum(1, dtype=np.float64) for _, found in similarities(unit, unit)])
    heap = [(-gain, row) for row, gain in enumerate(gains)]
    heapq.heapify(heap)
    fresh = np.zeros(len(unit), np.int64)  # how many rows were kept when the gain was computed
    kept: list[int] = []
    while len(kept) < count:
        if fresh[heap[0][1]] == len(kept):
            row = heapq.heappop(heap)[1]
            np.maximum(served, unit @ unit[row], out=served)
            kept.append(row)
            if advance is not None:
                advance(len(kept))
            continue
        # A product with a few rows costs little more than with one, so the next few are computed together.
        rows = [heapq.heappop(heap)[1] for _ in range(min(BATCH, len(heap)))]
        better = np.maximum(unit @ unit[rows].T - served[:, None], 0).sum(0, dtype=np.float64)
        for row, gain in zip(rows, better, strict=True):
            fresh[row] = len(kept)
            heapq.heappush(heap, (-float(gain), row))
    return kept, served
