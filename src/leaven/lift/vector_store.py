"""Embeddings that were made already, in an SQLite file: a text that was embedded once is never embedded again."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from leaven.errors import UserError
from leaven.lift.vectors import Array
from leaven.runs.cache import cache_folder
from leaven.runs.progress import Advance

CHUNK, ASKED = 256, 500


def place() -> Path:
    """Where embeddings are kept: in the user's cache."""
    return cache_folder() / "embeddings.sqlite"


def embedded(
    texts: Sequence[str],
    name: str,
    embed: Callable[[Iterable[Sequence[str]]], Iterator[tuple[int, Array]]],
    path: Path,
    advance: Advance,
) -> Array:
    """The vectors of all texts, (texts, width): those that are there from the file, the others made, a chunk at a time.

    `name` is the embedder's. `embed` is given the chunks, if anything is left to do, and yields the place and the
    vectors of each as it ends; each is on disk before the next is asked for. Raises UserError for vectors of another
    width than before, or that hold NaN.
    """
    rows: dict[bytes, list[int]] = {}
    for row, text in enumerate(texts):
        key = hashlib.sha256(f"{name}\n{text}".encode("utf-8", "surrogatepass")).digest()
        rows.setdefault(key, []).append(row)
    with _table(path) as table:
        width = _width(table, rows)
        known = {key for key, _ in _found(table, rows, "length(vector)")}
        missing = [key for key in rows if key not in known]
        chunks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
        done = len(known)
        for place, vectors in embed([texts[rows[key][0]] for key in chunk] for chunk in chunks) if missing else ():
            fresh = _checked(vectors, len(chunks[place]), name, width, path)
            width = fresh.shape[1]
            with table:
                lines = [(key, row.tobytes()) for key, row in zip(chunks[place], fresh, strict=True)]
                table.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", lines)
            done += len(fresh)
            advance(done, len(rows))
        whole = np.empty((len(texts), width), np.float32)
        for key, vector in _found(table, rows, "vector"):
            whole[rows[key]] = np.frombuffer(vector, np.float32)
    return whole


def _found(table: sqlite3.Connection, keys: Iterable[bytes], what: str) -> Iterator[tuple[bytes, Any]]:
    """(key, what is asked of it) for each key that is there."""
    every = list(keys)
    for start in range(0, len(every), ASKED):
        some = every[start : start + ASKED]
        marks = ",".join("?" * len(some))
        yield from table.execute(f"SELECT key, {what} FROM embeddings WHERE key IN ({marks})", some)


def _width(table: sqlite3.Connection, keys: Iterable[bytes]) -> int:
    """How wide the vectors are that are there already; 0 where none is."""
    return next((size // 4 for _, size in _found(table, keys, "length(vector)")), 0)


def _checked(rows: Array, count: int, name: str, width: int, path: Path) -> Array:
    rows = np.asarray(rows, np.float32)
    if rows.ndim != 2 or len(rows) != count or not np.isfinite(rows).all():
        raise UserError(
            f"{name} made a table of shape {rows.shape} for {count} texts"
            + ("" if np.isfinite(rows).all() else ", with NaN or infinity in it"),
            "Each text needs one row of numbers; try another --embedder.",
        )
    if width and width != rows.shape[1]:
        raise UserError(
            f"{name} makes {rows.shape[1]} numbers a text, but made {width} before",
            f"It is another model under the same name: remove {path} to begin anew.",
        )
    return rows


@contextmanager
def _table(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent} can't be made: {error}", "Set LEAVEN_CACHE to another folder.") from error
    try:
        with closing(sqlite3.connect(path, timeout=60)) as table:
            table.execute("PRAGMA journal_mode = WAL")
            table.execute("CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
            yield table
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"{path} can't be used: {error}",
            "If it is locked, wait until the other leaven that writes into it has ended. If it is damaged, move it "
            "away, or set LEAVEN_CACHE to another folder.",
        ) from error
