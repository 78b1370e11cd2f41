"""Embeddings: a row for each row of a dataset, read in blocks, so that memory doesn't grow with rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.errors import UserError

Array = npt.NDArray[np.float32]
BLOCK_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Vectors:
    """A table of `rows` × `width` numbers; `read(block)` yields it in order, as float32 arrays of at most `block` rows."""

    rows: int
    width: int
    read: Callable[[int], Iterator[Array]]
    name: str = "embeddings"

    def blocks(self) -> Iterator[Array]:
        """The table in blocks, (at most `block_rows`, width) each. Raises UserError at the first row with NaN in it."""
        done = 0
        for block in self.read(max(1, BLOCK_BYTES // (4 * self.width))):
            if not np.isfinite(block).all():
                row = done + int(np.argmin(np.isfinite(block).all(1)))
                raise UserError(f"{self.name}: row {row + 1:,} holds NaN or infinity", "Embed that row again.")
            done += len(block)
            yield block

    def array(self) -> Array:
        """The whole table in memory, (rows, width)."""
        found = np.empty((self.rows, self.width), np.float32)
        done = 0
        for block in self.blocks():
            found[done : done + len(block)] = block
            done += len(block)
        return found


def of(array: npt.NDArray[Any], name: str = "embeddings") -> Vectors:
    """The table of an array of any kind of float, in memory or memory-mapped."""
    if array.ndim != 2 or not array.shape[1] or array.dtype.kind != "f":
        raise UserError(
            f"{name} is an array of shape {array.shape} and type {array.dtype}",
            "Embeddings are a table of floats: one row for each row of the data.",
        )

    def read(block: int) -> Iterator[Array]:
        for start in range(0, len(array), block):
            yield np.asarray(array[start : start + block], np.float32)

    return Vectors(array.shape[0], array.shape[1], read, name)
