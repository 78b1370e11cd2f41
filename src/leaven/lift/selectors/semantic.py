"""Drop near copies by meaning: a row goes whose embedding is within a cosine of a row that is kept already.

Paraphrases and rows that only look alike overlap in cosine: the rejects name the row and the cosine, so look at those
near the threshold before trusting it. Every row is compared with every kept row, in blocks: time grows with the square.
With `search: ivf` it is compared with the kept rows in the cells that are nearest to it (faiss), which is quicker from
some 25,000 rows on, three times at 100,000; a copy whose row lies in another cell stays.

A row without the text that is embedded is no copy, and neither is one whose vector, to the last bit, a row has too that
says something else: words that the encoder does not know, or texts that differ only behind where it stops reading.
"""

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from leaven import extras
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
CELLS, TRAINED_BY, PROBED = 4, 40, 8
"""Cells for the root of the rows, rows by which each of them is learnt, and cells in which a row is looked for."""
Found = tuple[Array, npt.NDArray[np.int64]]


class Config(Section):
    """When two rows mean the same."""

    threshold: float = Field(0.95, gt=0, le=1)
    """The cosine from which a row is a near copy."""
    search: Literal["exact", "ivf"] = "exact"
    """Where the nearest kept row is looked for. exact: everywhere; ivf: in cells near to the row, by faiss."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What these settings need."""
        return ("faiss",) if self.search == "ivf" else ()


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """Rows in their order: each is kept unless it is near a row that is kept already."""
    places, vectors = texts.places(data), context.vectors(data).array()
    words = list(texts.strings(data, context.embed_text))
    blank = np.array([not text.strip() for text in words], bool)
    same = ~blank & unclear(vectors, words)
    rows = np.flatnonzero(~blank & ~same)
    threshold = config.threshold - ROUNDING
    with context.progress.track("semantic", len(rows), "rows") as advance:
        unit = normalised(vectors[rows])
        kept_rows = InCells(unit) if config.search == "ivf" else Everywhere(unit)
        nearest, cosines = near_copies(unit, threshold, advance, kept_rows)
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


class KeptRows(Protocol):
    """The rows that are kept so far, among which others are looked for."""

    def add(self, rows: Array) -> None:
        """Keep these rows, of length one."""

    def nearest(self, block: Array) -> Found:
        """The cosine of each row of the block and the nearest kept one, and which of them that is, (rows,) each."""


class Everywhere:
    """The kept rows of a table, each of which is looked at."""

    def __init__(self, unit: Array) -> None:
        self.rows, self.count = np.empty_like(unit), 0

    def add(self, rows: Array) -> None:
        """Keep these rows."""
        self.rows[self.count : self.count + len(rows)] = rows
        self.count += len(rows)

    def nearest(self, block: Array) -> Found:
        """By a product of matrices."""
        cosines = block @ self.rows[: self.count].T
        best = cosines.argmax(1)
        return cosines[np.arange(len(block)), best], best


class InCells:
    """The kept rows of a table in cells (an inverted file of faiss), of which the nearest to a row are looked into."""

    def __init__(self, unit: Array) -> None:
        extras.require("faiss")
        import faiss

        rows, width = unit.shape
        cells = max(1, min(int(CELLS * rows**0.5), rows // TRAINED_BY))
        self.index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, cells, faiss.METRIC_INNER_PRODUCT)
        self.index.cp.min_points_per_centroid = 1  # of so few rows nobody needs to be told
        self.index.nprobe = PROBED
        self.index.train(unit[np.random.default_rng(0).permutation(rows)[: TRAINED_BY * cells]])

    def add(self, rows: Array) -> None:
        """Keep these rows."""
        self.index.add(rows)

    def nearest(self, block: Array) -> Found:
        """By what is in the cells; where nothing is, a cosine of -1."""
        cosines, best = self.index.search(block, 1)
        return np.maximum(cosines[:, 0], -1), best[:, 0]


def near_copies(
    unit: Array, threshold: float, advance: Advance | None = None, kept_rows: KeptRows | None = None
) -> tuple[list[int], Array]:
    """For each row the nearest of the rows kept before it, and their cosine (-1 for the first), (rows,) each."""
    nearest = np.zeros(len(unit), np.int64)
    cosines = np.full(len(unit), -1, np.float32)
    kept_rows = kept_rows or Everywhere(unit)
    numbers = np.zeros(0, np.int64)  # of the kept rows
    for start in range(0, len(unit), BLOCK):
        block = unit[start : start + BLOCK]
        if len(numbers):
            cosines[start : start + len(block)], best = kept_rows.nearest(block)
            nearest[start : start + len(block)] = numbers[best]
        inside = block @ block.T
        new: list[int] = []
        for place in range(len(block)):
            row = start + place
            if cosines[row] < threshold:
                new.append(row)
                later = inside[place, place + 1 :]
                closer = np.flatnonzero(later > cosines[row + 1 : start + len(block)]) + row + 1
                cosines[closer], nearest[closer] = inside[place, closer - start], row
        kept_rows.add(unit[new])
        numbers = np.concatenate([numbers, np.asarray(new, np.int64)])
        if advance is not None:
            advance(start + len(block))
    return nearest.tolist(), cosines


def _not_told_apart(rows: int) -> tuple[str, ...]:
    what = f"{rows:,} rows have the embedding of a row that says something else"
    return (f"{what}: the embedder does not tell them apart, so they are not compared with any other, and kept",) * (
        rows > 0
    )
