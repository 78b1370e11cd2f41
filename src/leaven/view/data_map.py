"""The map of a lift: a sample of its embedded rows on their first two principal components.

Embeddings are those that the lift keeps (`embeddings.npy`); components are those of the sample, standardised as variety
does, so that a map of a million rows takes one pass over the file.
"""

import random
from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl

from leaven.errors import UserError
from leaven.lift import vectors as table
from leaven.lift.components import components, coordinates
from leaven.lift.curate import FILE, ROWS

POINTS = 4_000
"""The most rows that are drawn."""
SEED = 0


def is_there(folder: Path) -> bool:
    """Whether a lift has embedded rows that can be drawn."""
    return (folder / FILE).is_file() and (folder / ROWS).is_file() and (folder / "audit.parquet").is_file()


def points(folder: Path, among: Collection[int] | None = None) -> dict[str, Any]:
    """The columns row, x, y and verdict of the sample, of how many rows it is, and what of their variance is seen.

    With `among` only rows of these numbers are drawn. Rows that are all the same, or a single one,
    have no map.
    """
    embedded = pl.read_parquet(folder / ROWS, columns=["row"])["row"].to_list()
    places = [place for place, row in enumerate(embedded) if among is None or row in among]
    sample = sorted(random.Random(SEED).sample(places, min(POINTS, len(places))))
    numbers = [embedded[place] for place in sample]
    about = {"total": len(places), "seed": SEED, "row": numbers, "x": [], "y": [], "verdict": [], "seen": 0.0}
    vectors = table.open_file(str(folder / FILE)).take(sample)
    try:
        basis = components(vectors)
    except UserError:
        return {**about, "row": []}
    flat = coordinates(vectors, basis, 2)  # (rows, 2), or (rows, 1) where embeddings are one wide
    verdicts = pl.scan_parquet(folder / "audit.parquet").select("row", "verdict").filter(pl.col("row").is_in(numbers))
    by_row = dict(verdicts.collect().iter_rows())
    return {
        **about,
        "x": flat[:, 0].round(3).tolist(),
        "y": flat[:, -1].round(3).tolist(),
        "verdict": [by_row[number] for number in numbers],
        "seen": float(basis.variances[:2].sum() / basis.variances.sum()),
    }
