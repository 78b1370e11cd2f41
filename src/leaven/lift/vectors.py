"""Embeddings: a row for each row of a dataset, read in blocks, so that memory doesn't grow with rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from leaven.errors import UserError
from leaven.rows.shards import Places, rows_at

Array = npt.NDArray[np.float32]
BLOCK_BYTES = 32 << 20
PIECE = 4
"""Blocks of a piece."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """A table of `rows` × `width` numbers; `read(n)` yields its rows in order, in float32 arrays of up to `n` rows.

    `at` reads the rows at a few positions, which ascend, where that takes no pass over the others. The table may be a
    part of another one, which begins at its row `first`.
    """

    rows: int
    width: int
    read: Callable[[int], Iterator[Array]]
    name: str = "embeddings"
    at: Callable[[Places], Array] | None = None
    first: int = 0

    def blocks(self) -> Iterator[Array]:
        """The table in arrays of about 32 MiB, (rows, width) each; they are the reader's own, to change at will.

        Raises UserError at the first row that holds NaN or infinity.
        """
        done = self.first
        for block in self.read(self.block):
            # One sum a row is enough to find NaN and infinity, and needs no mask as large as the block.
            with np.errstate(invalid="ignore"):
                sums = block.sum(1, dtype=np.float64)
            if not np.isfinite(sums).all():
                row = done + int(np.argmin(np.isfinite(sums)))
                raise UserError(f"{self.name}: row {row + 1:,} holds NaN or infinity", "Embed that row again.")
            done += len(block)
            yield block

    @property
    def block(self) -> int:
        """Rows of a block."""
        return max(1, BLOCK_BYTES // (4 * self.width))

    def spans(self) -> list[tuple[int, int]]:
        """(its first row, the row behind its last) of each piece in which the rows can be worked at side by side.

        A piece is some blocks; all rows are one where none can be read without those before it.
        """
        size = PIECE * self.block if self.at is not None else max(1, self.rows)
        return [(start, min(start + size, self.rows)) for start in range(0, self.rows, size)]

    def part(self, start: int, end: int) -> "Vectors":
        """The rows of one of the spans."""
        at = self.at
        if at is None:
            return self

        def read(block: int) -> Iterator[Array]:
            for first in range(start, end, block):
                yield at(np.arange(first, min(first + block, end)))

        return Vectors(end - start, self.width, read, self.name, lambda places: at(places + start), start)

    def array(self) -> Array:
        """The whole table in memory, (rows, width)."""
        table = np.empty((self.rows, self.width), np.float32)
        done = 0
        for block in self.blocks():
            table[done : done + len(block)] = block
            done += len(block)
        return table

    def unit(self) -> Array:
        """The whole table in memory, each row of length one (a row of zeros stays), so that products are cosines."""
        return normalised(self.array())

    def take(self, positions: Sequence[int] | Places) -> "Vectors":
        """The rows at these positions: few of them in memory; many that ascend are read anew with each pass."""
        rows = np.asarray(positions, np.int64)
        if (np.diff(rows) > 0).all():
            at, few = self.at, 4 * len(rows) * self.width <= BLOCK_BYTES
            if at is not None and few:
                return of(at(rows), self.name)
            some = Vectors(len(rows), self.width, lambda size: rows_at(self.read(size), rows), self.name,
                           None if at is None else lambda places: at(rows[places]))  # fmt: skip
            return of(some.array(), self.name) if few else some
        places, back = np.unique(rows, return_inverse=True)
        return of(self.take(places).array()[back], self.name)

    def save(self, path: Path) -> None:
        """Write the table as `.npy`, block by block."""
        with path.open("wb") as file:
            about = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.width)}
            np.lib.format.write_array_header_1_0(file, about)
            for block in self.blocks():
                block.astype("<f4", copy=False).tofile(file)


def normalised(table: Array) -> Array:
    """The table itself, each row brought to length one; a row of zeros stays."""
    table /= np.maximum(np.sqrt(np.einsum("ij,ij->i", table, table)), np.finfo(np.float32).tiny)[:, None]
    return table


def of(array: npt.NDArray[Any], name: str = "embeddings") -> Vectors:
    """The table of an array of any kind of float, in memory or memory-mapped."""
    if array.ndim != 2 or not array.shape[1] or array.dtype.kind != "f":
        raise UserError(
            f"{name} is an array of shape {array.shape} and type {array.dtype}",
            "Embeddings are a table of floats: one row for each row of the data.",
        )

    def read(block: int) -> Iterator[Array]:
        for start in range(0, len(array), block):
            yield np.array(array[start : start + block], np.float32)

    return Vectors(array.shape[0], array.shape[1], read, name, lambda places: np.array(array[places], np.float32))


def open_file(place: str) -> Vectors:
    """The table in `FILE.npy` (memory-mapped) or `FILE.parquet:COLUMN`.

    The column may be left out if it is the only one with lists of floats. Raises UserError for a file without a table.
    """
    file, _, column = place.partition(".parquet:")
    path = Path(f"{file}.parquet" if column else place).expanduser()
    if not path.is_file():
        raise UserError(f"{path} does not exist", "Embeddings come from FILE.npy or FILE.parquet:COLUMN.")
    if path.suffix == ".parquet":
        return _parquet(path, column)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.memmap):
            array.close()
            raise ValueError("it holds several arrays")
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{path} is not a .npy file: {error}", "Write it with numpy.save.") from error
    return _mapped(array, path)


def _mapped(array: "np.memmap[Any, Any]", path: Path) -> Vectors:
    """The table of a memory-mapped file; each block is mapped by itself, so that no page stays when it is done with.

    Rows at some positions are read, not mapped: with each of them a kernel may map two million bytes around it.
    """
    whole = of(array, path.name)
    rows, width, kind, offset = whole.rows, whole.width, array.dtype, array.offset
    if not array.flags.c_contiguous:
        return whole
    del array

    def read(block: int) -> Iterator[Array]:
        for start in range(0, rows, block):
            shape = (min(block, rows - start), width)
            yield np.array(np.memmap(path, kind, "r", offset + start * width * kind.itemsize, shape), np.float32)

    def at(places: Places) -> Array:
        table, done = np.empty((len(places), width), np.float32), 0
        with path.open("rb") as file:
            for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1) if len(places) else ():
                file.seek(offset + int(run[0]) * width * kind.itemsize)
                table[done : done + len(run)] = np.fromfile(file, kind, len(run) * width).reshape(-1, width)
                done += len(run)
        return table

    return Vectors(rows, width, read, path.name, at)


def _parquet(path: Path, column: str) -> Vectors:
    try:
        schema = pl.read_parquet_schema(path)
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{path} is not a Parquet file: {error}", "Check how it was written.") from error
    lists = [name for name, kind in schema.items() if isinstance(kind, (pl.Array, pl.List)) and _floats(kind)]
    if not column and len(lists) == 1:
        column = lists[0]
    if column not in lists:
        columns = ", ".join(lists) or "none"
        raise UserError(
            f"{path} has no column {column!r} of floats" if column else f"{path}: which column holds the embeddings?",
            f"Columns with lists of floats: {columns}. Write {path}:COLUMN.",
        )
    name = f"{path.name}:{column}"
    table = pl.scan_parquet(path).select(column)
    rows = int(table.select(pl.len()).collect().item())
    first = table.head(1).collect().to_series().to_list()
    if first and not first[0]:
        raise UserError(f"{name}: the first row is empty", "Each row of the data needs its embedding.")
    width = len(first[0]) if first else 1

    def read(block: int) -> Iterator[Array]:
        for batch in table.collect_batches(chunk_size=block, maintain_order=True):
            yield from _batch(batch[column], width, block, name)

    return Vectors(rows, width, read, name)


def _batch(series: pl.Series, width: int, block: int, name: str) -> Iterator[Array]:
    try:
        array = series.cast(pl.Array(pl.Float32, width))
    except pl.exceptions.PolarsError as error:
        raise UserError(
            f"{name}: a row is not {width} numbers wide, as the first row is", "Embed all rows with one model."
        ) from error
    if array.null_count():
        raise UserError(f"{name}: a row is empty", "Each row of the data needs its embedding.")
    for start in range(0, len(array), block):
        yield np.array(array[start : start + block].to_numpy(), np.float32)


def _floats(kind: pl.Array | pl.List) -> bool:
    return isinstance(kind.inner, pl.DataType) and kind.inner.is_float()
