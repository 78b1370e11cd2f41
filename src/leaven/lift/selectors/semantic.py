"""Drop near copies by meaning: a row goes whose embedding is within a cosine of a row that is kept already.

Paraphrases and rows that only look alike overlap in cosine: the rejects name the row and the cosine, so look at those
near the threshold before trusting it. Every row is compared with every kept row, in blocks: time grows with the square.
"""

import numpy as np
from pydantic import Field

from leaven.lift.neighbours import ROUNDING
from leaven.lift.selection import Context, Scores, outcome
from leaven.lift.vectors import Array
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs.progress import Advance
from leaven.section import Section

NEEDS = ("vectors",)
BLOCK, BORDER = 1024, 0.02


class Config(Section):
    """When two rows mean the same."""

    threshold: float = Field(0.95, gt=0, le=1)
    """The cosine from which a row is a near copy."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """Rows in their order: each is kept unless it is near a row that is kept already."""
    places = texts.places(data)
    unit = context.vectors(data).unit()
    threshold = config.threshold - ROUNDING
    with context.progress.track("semantic", len(data), "rows") as advance:
        nearest, cosines = near_copies(unit, threshold, advance)
    gone = np.flatnonzero(cosines >= threshold)
    details = {int(row): f"{places[int(nearest[row])]} (cosine {cosines[row]:.3f})" for row in gone}
    kept = [row for row in range(len(data)) if row not in details]
    border = int((np.abs(cosines - config.threshold) < BORDER).sum())
    notes = (f"{border:,} rows lie within {BORDER} of the threshold: look at some of them in the rejects",)
    columns = {"cosine": tuple(cosines)}
    return outcome(data, kept, f"semantic({config.threshold:g})", "near a kept row", columns, details, notes)


def near_copies(unit: Array, threshold: float, advance: Advance | None = None) -> tuple[list[int], Array]:
    """For each row the nearest of the rows kept before it, and their cosine (-1 for the first), (rows,) each."""
    nearest = np.zeros(len(unit), np.int64)
    cosines = np.full(len(unit), -1, np.float32)
    kept = np.empty_like(unit)  # the kept rows, packed
    kept_rows = np.empty(len(unit), np.int64)
    count = 0
    for start in range(0, len(unit), BLOCK):
        block = unit[start : start + BLOCK]
        if count:
            before = block @ kept[:count].T
            best = before.argmax(1)
            nearest[start : start + len(block)] = kept_rows[best]
            cosines[start : start + len(block)] = before[np.arange(len(block)), best]
        inside = block @ block.T
        for place in range(len(block)):
            row = start + place
            if cosines[row] < threshold:
                kept[count], kept_rows[count] = block[place], row
                count += 1
                later = inside[place, place + 1 :]
                closer = np.flatnonzero(later > cosines[row + 1 : start + len(block)]) + row + 1
                cosines[closer], nearest[closer] = inside[place, closer - start], row
        if advance is not None:
            advance(start + len(block))
    return nearest.tolist(), cosines
