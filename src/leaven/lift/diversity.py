"""How varied a set of rows is: the redundancy left in it, NovelSum, the Vendi score."""

import numpy as np
import numpy.typing as npt

from leaven.lift.neighbours import nearest, similarities
from leaven.lift.vectors import Array


def redundancy(rows: Array) -> Array:
    """The cosine of each row to its nearest other row, (rows,); the rows have length one."""
    cosines, _ = nearest(rows, rows, 1, itself=True)
    return cosines[:, 0] if cosines.shape[1] else np.empty(0, np.float32)


def novelsum(rows: Array, densities: npt.NDArray[np.float64]) -> float:
    """NovelSum (2502.17184): the mean over rows of density × the mean cosine distance, the nearest weighing most.

    The distance of rank r has the weight 1/r; as published, a row itself is at rank 1. `densities` are those of the
    rows in the pool that they were taken from.
    """
    weights = 1 / np.arange(1, len(rows) + 1)
    total = 0.0
    for start, cosines in similarities(rows, rows):
        distances = np.sort(np.maximum(1 - cosines, 0), axis=1)  # (block, rows), nearest first
        total += float((distances @ weights / weights.sum() * densities[start : start + len(cosines)]).sum())
    return total / max(1, len(rows))


def vendi(rows: Array) -> float:
    """The Vendi score: e to the entropy of the eigenvalues of the cosines, the number of rows that would be as varied.

    The cosines' eigenvalues are those of the (width, width) second moments, so that no matrix of rows is needed.
    """
    return vendi_of(rows.T.astype(np.float64) @ rows / max(1, len(rows)))


def vendi_of(moments: npt.NDArray[np.float64]) -> float:
    """The Vendi score of rows by their second moments, (width, width): the mean of each row's outer product."""
    values = np.linalg.eigvalsh(moments)
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))
