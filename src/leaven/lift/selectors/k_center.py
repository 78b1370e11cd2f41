"""Keep rows that leave no other row far from a kept one: greedy k-center, on embeddings of length one.

The first row is drawn with the seed; each next one is the row farthest from all that are kept.
"""

import numpy as np

from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.lift.vectors import Array
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs.progress import Advance

NEEDS = ("vectors", "seed")


class Config(Size):
    """How many rows."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """As many rows as asked for; `distance` is what lay between a row and the nearest kept one, all being kept."""
    count = config.of(len(data))
    unit = context.vectors(data).unit()
    with context.progress.track("k_center", count, "rows") as advance:
        kept, distances = centers(unit, count, data.permutation(context.seed)[:1], advance)
    made_by = f"k_center(seed={context.seed})"
    return outcome(data, kept, made_by, "near a kept row", {"distance": tuple(distances.tolist())})


def centers(unit: Array, count: int, first: list[int], advance: Advance | None = None) -> tuple[list[int], Array]:
    """The centers in the order of their choice, and each row's distance to the nearest of them, (rows,)."""
    kept = list(first[:count])
    cosines = np.full(len(unit), -np.inf, np.float32)  # to the nearest center; the distance is sqrt(2 - 2 cosine)
    for done in range(count):
        if done >= len(kept):
            kept.append(int(np.argmin(cosines)))
        np.maximum(cosines, unit @ unit[kept[done]], out=cosines)
        cosines[kept[done]] = np.inf  # never again, even where rows are alike
        if advance is not None:
            advance(done + 1)
    cosines[kept] = 1
    return kept, np.sqrt(np.maximum(2 - 2 * cosines, 0))
