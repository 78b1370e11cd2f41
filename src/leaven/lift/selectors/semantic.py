"""Drop near copies by meaning: a row goes whose embedding is within a cosine of a row that is kept already.

Paraphrases and rows that only look alike overlap in cosine: the rejects name the row and the cosine, so look at those
near the threshold before trusting it. Every row is compared with every kept row, in blocks: time grows with the square.

A row without the text that is embedded is no copy, and neither is one whose vector, to the last bit, a row has too that
says something else: words that the encoder does not know, or texts that differ only behind where it stops reading.
"""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from leaven.lift.neighbours import ROUNDING
from leaven.lift.selection import Context, Scores, not_compared, outcome
from leaven.lift.selectors.exact import key
from leaven.lift.vectors import Array, normalised
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
    places, vectors = texts.places(data), context.vectors(data).array()
    words = list(texts.strings(data, context.embed_text))
    blank = np.array([not text.strip() for text in words], bool)
    same = ~blank & unclear(vectors, words)
    rows = np.flatnonzero(~blank & ~same)
    threshold = config.threshold - ROUNDING
    with context.progress.track("semantic", len(rows), "rows") as advance:
        nearest, cosines = near_copies(normalised(vectors[rows]), threshold, advance)
    near = np.flatnonzero(cosines >= threshold).tolist()
    details = {int(rows[row]): f"{places[int(rows[nearest[row]])]} (cosine {cosines[row]:.3f})" for row in near}
    kept = [row for row in range(len(data)) if row not in details]
    border = int((np.abs(cosines - config.threshold) < BORDER).sum())
    notes = (
        *not_compared(int(blank.sum()), context.embed_text),
        *_not_told_apart(int(same.sum())),
        f"{border:,} rows lie within {BORDER} of the threshold: look at some of them in the rejects",
    )
    column = np.full(len(data), np.nan)
    column[rows] = cosines
    made_by = f"semantic({config.threshold:g})"
    return outcome(data, kept, made_by, "near a kept row", {"cosine": column}, details, notes)


def unclear(vectors: Array, words: list[str]) -> npt.NDArray[np.bool_]:
    """Of each row, whether another one has its vector and says something else, (rows,)."""
    says: dict[bytes, set[bytes]] = {}
    for vector, text in zip(vectors, words, strict=True):
        says.setdefault(vector.tobytes(), set()).add(key(text, normalise=True))
    return np.array([len(says[vector.tobytes()]) > 1 for vector in vectors], bool)


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


def _not_told_apart(rows: int) -> tuple[str, ...]:
    what = f"{rows:,} rows have the embedding of a row that says something else"
    return (f"{what}: the embedder does not tell them apart, so they are not compared with any other, and kept",) * (
        rows > 0
    )
