"""Tables that lie in Parquet and are read and written batch by batch, so that memory doesn't grow with their rows."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.io.plugins import register_io_source

from leaven.runs import folder as runs

BATCH = 1 << 14
"""Rows of a batch: some 10 MB of text."""
FEW = 4
"""Of a batch of which less than this part is wanted the rest is let go."""
Places = npt.NDArray[np.int64]
Block = TypeVar("Block", pl.DataFrame, npt.NDArray[np.float32])


@dataclass(frozen=True, slots=True, eq=False)
class Shards:
    """The rows of a Parquet file at these places, which ascend; None: all of them."""

    path: Path
    height: int
    places: Places | None = None

    @classmethod
    def of(cls, path: Path) -> "Shards":
        """All rows of a file."""
        return cls(path, int(pl.scan_parquet(path).select(pl.len()).collect().item()))

    def rows(self, indices: Places) -> "Shards":
        """The rows at these positions, which ascend."""
        return replace(self, places=indices if self.places is None else self.places[indices], height=len(indices))

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of all rows in their order, up to BATCH rows at a time."""
        if self.places is None:
            yield from self._read(columns, 0, self.height)
            return
        if not len(self.places):
            return
        first = int(self.places[0])
        blocks = self._read(columns, first, int(self.places[-1]) + 1 - first)
        for batch in rows_at(blocks, self.places - first):
            yield _copy(batch) if FEW * batch.height < BATCH else batch

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        """These columns of all rows, in memory."""
        parts = list(self.batches(columns))
        return pl.concat(parts) if parts else pl.scan_parquet(self.path).select(columns).head(0).collect()

    def _read(self, columns: Sequence[str], start: int, rows: int) -> Iterator[pl.DataFrame]:
        scan = pl.scan_parquet(self.path).select(columns).slice(start, rows)
        return iter(scan.collect_batches(chunk_size=BATCH, maintain_order=True))


def rows_at(blocks: Iterable[Block], places: Places) -> Iterator[Block]:
    """Of a table that comes in blocks the rows at these places, which ascend; a block without any is left out."""
    done = 0
    for block in blocks:
        low, high = np.searchsorted(places, (done, done + len(block)))
        if low < high:
            yield block[places[low:high] - done]
        done += len(block)


def _copy(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame by itself: rows that polars takes out of a block keep all the block's texts in memory."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    buffer.seek(0)
    return pl.read_ipc(buffer)


def write(path: Path, batches: Callable[[], Iterator[pl.DataFrame]], schema: pl.Schema, packed: bool = True) -> None:
    """Write what comes in batches as Parquet, whole or not at all; only a few of them are in memory at a time.

    A file that is not `packed` takes twice the disk, and a third of the time to write.
    """

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        return batches()

    table = register_io_source(source, schema=schema)
    compression: Literal["lz4", "uncompressed"] = "lz4" if packed else "uncompressed"
    runs.write(path, lambda partial: table.sink_parquet(partial, compression=compression, row_group_size=2 * BATCH))
