"""Keep rows that add the most novelty where rows are dense: NovelSelect (2502.17184), greedy for NovelSum.

The next row has the largest mean, over the kept rows, of distance × (its density + theirs) / rank, the nearest first.
Time and memory grow with rows × kept rows: take tens of thousands of rows at most, or `--neighbours`.
"""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from leaven.lift.neighbours import density
from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.lift.vectors import Array
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs.progress import Advance

NEEDS = ("vectors", "seed")


class Config(Size):
    """How many rows, and how density and rank weigh."""

    density_neighbours: int = Field(10, ge=1)
    """Neighbours whose distance makes the density."""
    density_power: float = Field(0.5, ge=0)
    """How much density weighs; 0: not at all."""
    distance_power: float = Field(1.0, ge=0)
    """How much the nearest kept rows outweigh the others; 0: not at all."""
    neighbours: int = Field(0, ge=0)
    """Only so many of the nearest kept rows count, which is quicker; 0: all, as published."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """As many rows as asked for; the first is drawn with the seed. `novelty` is that of a row among the kept ones."""
    count = config.of(len(data))
    unit = context.vectors(data).unit()
    densities = density(unit, None, config.density_neighbours, config.density_power)
    with context.progress.track("novelselect", count, "rows") as advance:
        kept, novelty = chosen(unit, densities, count, data.permutation(context.seed)[:1], config, advance)
    return outcome(data, kept, f"novelselect(seed={context.seed})", "not novel enough", {"novelty": tuple(novelty)})


def chosen(
    unit: Array,
    densities: npt.NDArray[np.float64],
    count: int,
    first: list[int],
    config: Config,
    advance: Advance | None = None,
) -> tuple[list[int], npt.NDArray[np.float64]]:
    """The rows in the order of their choice, and the novelty of each when it was chosen, or at the end, (rows,)."""
    kept = list(first[:count])
    novelty = np.zeros(len(unit))
    room = min(config.neighbours or count, count)
    nearest = np.full((room, len(unit)), np.inf, np.float32)  # for each row, what counts of the kept ones, in order
    open_rows = np.ones(len(unit), bool)
    for done in range(count):
        if done >= len(kept):
            kept.append(int(np.argmax(np.where(open_rows, novelty, -np.inf))))
        row = kept[done]
        open_rows[row] = False
        distances = np.maximum(1 - unit @ unit[row], 0) * (densities + densities[row])
        _inserted(nearest[: done + 1], distances.astype(np.float32))
        ranks = nearest[: min(done + 1, room)]
        weights = 1 / np.arange(1, len(ranks) + 1) ** config.distance_power
        fresh = (weights @ ranks) / (done + 1)
        novelty = np.where(open_rows, fresh, novelty)
        if advance is not None:
            advance(done + 1)
    return kept, novelty


def _inserted(ordered: npt.NDArray[np.float32], values: npt.NDArray[np.float32]) -> None:
    """Put a value into each column, which stays in order; the largest of a full column falls out."""
    for line in ordered:  # one step of insertion sort for all columns at once
        larger = np.maximum(line, values)
        np.minimum(line, values, out=line)
        values = larger
