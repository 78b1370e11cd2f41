"""Embeddings that were made already, in an SQLite file: a text that was embedded once is never embedded again."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from leaven.errors import UserError
from leaven.run import Advance
from leaven.vectors.table import Array

CHUNK, ASKED = 256, 500


def place() -> Path:
    """Where embeddings are kept: in the folder LEAVEN_CACHE, else with the user's other caches."""
    folder = os.environ.get("LEAVEN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "leaven"
    return Path(folder).expanduser() / "embeddings.sqlite"


def embedded(
    texts: Sequence[str], name: str, embed: Callable[[], Callable[[Sequence[str]], Array]], path: Path, advance: Advance
) -> Array:
    """The vectors of all texts, (texts, width): those that are there from the file, the others made, a chunk at a time.

    `name` is the embedder's, and `embed()` loads it, if anything is left to do. Each chunk is on disk before the next
    begins. Raises UserError for vectors of another width than before, or that hold NaN.
    """
    keys = [hashlib.sha256(f"{name}\n{text}".encode("utf-8", "surrogatepass")).digest() for text in texts]
    with _table(path) as table:
        there = _there(table, set(keys))
        first: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            first.setdefault(key, place)
        missing = [place for key, place in first.items() if key not in there]
        make = embed() if missing else None
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            assert make is not None
            rows = _checked(make([texts[place] for place in chunk]), len(chunk), name, there)
            fresh = {keys[place]: row.tobytes() for place, row in zip(chunk, rows, strict=True)}
            with table:
                table.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", fresh.items())
            there |= fresh
            advance(len(first) - len(missing) + start + len(chunk), len(first))
    return np.stack([np.frombuffer(there[key], np.float32) for key in keys])


def _there(table: sqlite3.Connection, keys: set[bytes]) -> dict[bytes, bytes]:
    asked = list(keys)
    found: dict[bytes, bytes] = {}
    for start in range(0, len(asked), ASKED):
        some = asked[start : start + ASKED]
        marks = ",".join("?" * len(some))
        found.update(table.execute(f"SELECT key, vector FROM embeddings WHERE key IN ({marks})", some))
    return found


def _checked(rows: Array, count: int, name: str, there: dict[bytes, bytes]) -> Array:
    rows = np.asarray(rows, np.float32)
    if rows.ndim != 2 or len(rows) != count or not np.isfinite(rows).all():
        raise UserError(
            f"{name} made a table of shape {rows.shape} for {count} texts"
            + ("" if np.isfinite(rows).all() else ", with NaN or infinity in it"),
            "Each text needs one row of numbers; try another --embedder.",
        )
    before = next(iter(there.values()), None)
    if before is not None and len(before) != 4 * rows.shape[1]:
        raise UserError(
            f"{name} makes {rows.shape[1]} numbers a text, but made {len(before) // 4} before",
            f"It is another model under the same name: remove {place()} to begin anew.",
        )
    return rows


@contextmanager
def _table(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path, timeout=60)) as table:
            table.execute("PRAGMA journal_mode = WAL")
            table.execute("CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
            yield table
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"{path} can't be used: {error}", "Remove it, or set LEAVEN_CACHE to another folder."
        ) from error
