"""Nearest rows by cosine, in blocks: the full matrix of similarities is never held."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from leaven.lift.vectors import Array

Positions = npt.NDArray[np.int64]
BLOCK = 1024
FEW = 4
"""So few nearest rows are quicker looked for one after the other."""
ROUNDING = 2e-6
"""By how much the cosine of a vector and itself may miss 1 in single precision, up to 4,096 dimensions."""
SAME = 1e-5  # the squared distance of two copies, but for rounding


def similarities(queries: Array, table: Array) -> Iterator[tuple[int, Array]]:
    """(position of the first query, its block's cosines (block, rows of the table)); both of rows of length one."""
    for start in range(0, len(queries), BLOCK):
        yield start, queries[start : start + BLOCK] @ table.T


def nearest(queries: Array, table: Array, count: int, itself: bool = False) -> tuple[Array, Positions]:
    """The `count` nearest rows of the table for each query, nearest first: (cosines, positions), (queries, count) each.

    Where the queries are the table, `itself` leaves out each row's own place. Fewer columns come back where the table
    has fewer rows.
    """
    count = min(count, len(table) - itself)
    cosines = np.empty((len(queries), max(count, 0)), np.float32)
    positions = np.empty(cosines.shape, np.int64)
    if count < 1:
        return cosines, positions
    for start, block in similarities(queries, table):
        rows = np.arange(len(block))
        if itself:
            block[rows, start + rows] = -np.inf
        if count <= FEW:
            for rank in range(count):
                best = block.argmax(1)  # the first of equals
                positions[start : start + len(block), rank] = best
                cosines[start : start + len(block), rank] = block[rows, best]
                block[rows, best] = -np.inf
            continue
        top = np.argpartition(-block, count - 1, axis=1)[:, :count]  # (block, count), in no order
        values = np.take_along_axis(block, top, 1)
        order = np.lexsort((top, -values), axis=1)  # equal cosines: the earlier row first
        cosines[start : start + len(block)] = np.take_along_axis(values, order, 1)
        positions[start : start + len(block)] = np.take_along_axis(top, order, 1)
    return cosines, positions


def density(
    rows: Array, pool: Array | None = None, neighbours: int = 10, power: float = 0.5
) -> npt.NDArray[np.float64]:
    """How crowded the place of each row is (NovelSum): the mean squared distance to its neighbours, to the -`power`.

    Neighbours are the nearest of all *distinct* rows of the pool (of the rows themselves, where there is none), the row
    itself left out; all have length one. Copies that differ by rounding are one row: beside each other they would be a
    thousand times as crowded as any other row, and the mean of all would be theirs.
    """
    pool = rows if pool is None else pool
    distinct = pool[np.unique(_keys(pool), return_index=True)[1]]
    squared = _squared(rows, distinct, neighbours + 1)
    if (squared[:, 1:2] < SAME).any():
        squared = _squared(rows, _apart(distinct), neighbours + 1)
    if squared.shape[1] < 2:
        return np.ones(len(rows))
    itself = squared[:, :1] < SAME
    near = np.where(itself, squared[:, 1:], squared[:, :-1])
    densities: npt.NDArray[np.float64] = (near.mean(1) + 1e-9) ** -power
    return densities


def _squared(rows: Array, table: Array, count: int) -> npt.NDArray[np.float64]:
    """The squared distances of each row to its `count` nearest of the table, (rows, count); all of length one."""
    cosines, _ = nearest(rows, table, count)
    return np.maximum(2 - 2 * cosines.astype(np.float64), 0)


def _apart(rows: Array) -> Array:
    """The rows but for those that are, up to rounding, one before them."""
    stays = np.ones(len(rows), bool)
    for start, cosines in similarities(rows, rows):
        alike = 2 - 2 * cosines < SAME
        first = np.where(alike.any(1), alike.argmax(1), np.arange(start, start + len(alike)))
        stays[start : start + len(alike)] = first == np.arange(start, start + len(alike))
    return rows[stays]


def _keys(rows: Array) -> npt.NDArray[np.void]:
    """Each row's bytes as one value, so that rows can be compared whole."""
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * 4)))[:, 0]
