"""Principal components of standardised embeddings: one pass over the rows for the moments, then one `eigh`.

The same as scikit-learn's StandardScaler and PCA(svd_solver="full"), without holding the rows: the covariance of the
standardised columns is their correlation matrix, and its eigenvectors are the components.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from leaven.errors import UserError
from leaven.lift.vectors import Array, Vectors
from leaven.runs.progress import Advance
from leaven.scale.crew import Crew, Here, in_order

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Components:
    """The mean and scale of the columns (width,), all components (width, width) from the largest, their variances."""

    mean: Numbers
    scale: Numbers
    axes: Numbers
    variances: Numbers

    def enough(self, share: float) -> int:
        """How many components hold at least this share of the variance."""
        shares = np.cumsum(self.variances) / self.variances.sum()
        return min(int(np.argmax(shares >= share)) + 1, len(shares)) if shares[-1] >= share else len(shares)

    def projection(self, first: int, last: int) -> Array:
        """What takes rows less their mean to these coordinates, (width, last - first)."""
        return np.ascontiguousarray((self.axes[first:last] / self.scale).T, np.float32)


def components(vectors: Vectors, advance: Advance | None = None, workers: Crew[Vectors] | None = None) -> Components:
    """The principal components of the standardised columns, signs fixed as scikit-learn does.

    `workers` have the vectors; none: this process. Raises UserError for a table without variance.
    """
    mean, covariance = _moments(vectors, advance, workers or Here(lambda: vectors))
    variance = covariance.diagonal()
    # A column that is constant but for rounding is left as it is: scikit-learn's rule, with its bound.
    epsilon = np.finfo(np.float64).eps
    constant = variance <= vectors.rows * epsilon * variance + (vectors.rows * mean * epsilon) ** 2
    scale = np.where(constant, 1.0, np.sqrt(np.maximum(variance, 0)))
    if constant.all():
        raise UserError(f"{vectors.name}: all rows are the same", "There is no variety to rank; check the embeddings.")
    variances, axes = np.linalg.eigh(covariance / np.outer(scale, scale))
    axes = axes[:, ::-1].T  # (width, width), a component a row, the largest first
    signs = np.sign(axes[np.arange(len(axes)), np.argmax(np.abs(axes), axis=1)])
    return Components(mean, scale, axes * signs[:, None], np.maximum(variances[::-1], 0))


def coordinates(vectors: Vectors, basis: Components, count: int) -> Array:
    """The first coordinates of every row, (rows, count)."""
    mean, projection = basis.mean.astype(np.float32), basis.projection(0, count)
    return np.concatenate([(block - mean) @ projection for block in vectors.blocks()])


def _moments(vectors: Vectors, advance: Advance | None, workers: Crew[Vectors]) -> tuple[Numbers, Numbers]:
    """The mean (width,) and the population covariance (width, width) of the columns, in one pass.

    Taking away the first block's mean first keeps what is added small. The sums of pieces are added up in the order of
    the pieces, so that no digit depends on who computes them.
    """
    if vectors.rows < 2:
        raise UserError(f"{vectors.name} has {vectors.rows} rows", "Variety is relative: bring at least two rows.")
    shift = next(vectors.blocks()).mean(0, dtype=np.float64).astype(np.float32)
    total = np.zeros(vectors.width)
    products = np.zeros((vectors.width, vectors.width))
    spans = vectors.spans()
    sums = in_order(workers.each(partial(_sums, shift), spans))
    for (_, end), (sum_of_rows, sum_of_products) in zip(spans, sums, strict=True):
        total += sum_of_rows
        products += sum_of_products
        if advance is not None:
            advance(end)
    offset = total / vectors.rows
    return shift + offset, products / vectors.rows - np.outer(offset, offset)


def _sums(shift: Array, vectors: Vectors, span: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """The sum (width,) and the second moments (width, width) of a piece of the rows, less `shift` each.

    Blocks are multiplied in their own precision and added up in double.
    """
    total = np.zeros(vectors.width)
    products = np.zeros((vectors.width, vectors.width))
    for block in vectors.part(*span).blocks():
        np.subtract(block, shift, out=block)
        total += block.sum(0, dtype=np.float64)
        products += block.T @ block
    return total, products
