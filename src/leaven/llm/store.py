"""Replies that were paid for, kept in SQLite: shared by runs, projects and processes, and never paid for again.

A reply's key is made of all that can change it (engine, messages, sampling, the number of its draw) and of nothing
else: adding rows, reordering them or changing a parser pays for nothing again. Each reply is written as it arrives.
A process claims the prompts that it is about to ask, so that another one waits for them instead of paying too.
"""

import hashlib
import json
import os
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from leaven.errors import UserError
from leaven.llm.protocol import Around, Reply, Sampling
from leaven.rows.example import Prompt
from leaven.runs.cache import cache_folder

TABLES = """
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY, engine TEXT NOT NULL, asked TEXT NOT NULL, text TEXT NOT NULL, finish_reason TEXT,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, made REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (key TEXT PRIMARY KEY, batch TEXT NOT NULL, engine TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, host TEXT NOT NULL, process INTEGER, beat REAL NOT NULL);
"""
STALE = 60
"""Seconds without a sign of life after which a process on another host counts as gone."""
READ_AT_ONCE = 500


def default_path() -> Path:
    """Where replies lie unless `--store` says otherwise: the user's cache folder."""
    return cache_folder() / "replies.db"


def key(engine: str, prompt: Prompt, sampling: Sampling, draw: int) -> bytes:
    """Sixteen bytes that stand for a reply; greedy ones do not depend on the seed."""
    seed = sampling.seed if sampling.temperature > 0 else 0
    drawn = [sampling.temperature, sampling.top_p, sampling.max_new_tokens, sampling.schema, seed, draw]
    about = [engine, [list(message) for message in prompt], *drawn]
    return hashlib.sha256(json.dumps(about, ensure_ascii=False).encode("utf-8", "surrogatepass")).digest()[:16]


def draws_of(prompts: Sequence[Prompt], sampling: Sampling) -> tuple[int, ...]:
    """Which draw of its prompt each one is, as told or else counted: equal prompts are different draws."""
    if sampling.draws:
        return sampling.draws
    drawn, found = Counter[Prompt](), list[int]()
    for prompt in prompts:
        found.append(drawn[prompt])
        drawn[prompt] += 1
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Stored(Around):
    """An engine whose replies go through a store: `Stored(engine, Store.open(path))`."""

    store: "Store"

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """What is there at once, then what the engine says, then what other processes were asked for meanwhile."""
        asked = list(prompts)
        sampling = replace(sampling, draws=draws_of(asked, sampling))
        waiting = {
            place: key(self.name, prompt, sampling, draw)
            for place, (prompt, draw) in enumerate(zip(asked, sampling.draws, strict=True))
        }
        with self.store.owner() as owner:
            while waiting:
                for place, reply in self._known(waiting):
                    del waiting[place]
                    yield place, reply
                mine = owner.claim(waiting)
                for place, reply in self._ask(mine, waiting, asked, sampling, owner):
                    del waiting[place]
                    yield place, reply
                if waiting and not mine:
                    time.sleep(0.5)

    def _known(self, waiting: dict[int, bytes]) -> Iterator[tuple[int, Reply]]:
        places = list(waiting.items())
        for start in range(0, len(places), READ_AT_ONCE):
            part = places[start : start + READ_AT_ONCE]
            found = self.store.get([known for _, known in part])
            for place, known in part:
                if known in found:
                    yield place, found[known]

    def _ask(
        self, mine: Sequence[int], keys: dict[int, bytes], asked: Sequence[Prompt], sampling: Sampling, owner: "_Owner"
    ) -> Iterator[tuple[int, Reply]]:
        keys = dict(keys)
        # Engines draw by place: what is left of a row of prompts must not begin with the draws of its beginning.
        drawn = tuple(sampling.draws[place] for place in mine)
        sampling = replace(sampling, first=sampling.first + min(mine, default=0), draws=drawn)
        for number, reply in self.engine.replies((asked[place] for place in mine), sampling):
            place = mine[number]
            if reply.text is not None:
                self.store.put(keys[place], self.engine.name, asked[place], sampling, reply)
            owner.release(keys[place])
            yield place, reply


@dataclass(frozen=True, slots=True)
class Store:
    """The file. Open it once for each process."""

    path: Path
    base: sqlite3.Connection = field(repr=False)

    @classmethod
    def open(cls, path: Path | None = None) -> "Store":
        """The store at `path`, made where there is none. Raises UserError for a file that is something else."""
        path = path or default_path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            base = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = NORMAL")
            base.executescript(TABLES)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"the store {path} can't be opened: {error}", "Name another file: --store FILE") from error
        return cls(path, base)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """The replies that are there."""
        marks = ",".join("?" * len(keys))
        rows = self.base.execute(
            f"SELECT key, text, finish_reason, prompt_tokens, completion_tokens FROM replies WHERE key IN ({marks})",
            list(keys),
        )
        return {row[0]: Reply(row[1], None, row[2], row[3], row[4], cached=True, attempts=0) for row in rows}

    def put(self, known: bytes, engine: str, prompt: Prompt, sampling: Sampling, reply: Reply) -> None:
        """Keep a reply; one that is there already stays."""
        asked = json.dumps([*(list(message) for message in prompt), asdict(replace(sampling, draws=()))])
        self.base.execute(
            "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (known, engine, asked, reply.text, reply.finish_reason, reply.prompt_tokens, reply.completion_tokens,
             time.time()),
        )  # fmt: skip

    def batches(self, engine: str) -> dict[str, str]:
        """The pending batch of each key (in hexadecimal digits) that waits in one."""
        return dict(self.base.execute("SELECT key, batch FROM batches WHERE engine = ?", (engine,)))

    def keep_batch(self, engine: str, batch: str, keys: Sequence[str]) -> None:
        """Remember that these keys wait in a batch."""
        self.base.execute("BEGIN IMMEDIATE")
        self.base.executemany("INSERT OR REPLACE INTO batches VALUES (?, ?, ?)", [(k, batch, engine) for k in keys])
        self.base.execute("COMMIT")

    def forget_batch(self, keys: Iterable[str]) -> None:
        """The replies to these keys have been fetched."""
        self.base.executemany("DELETE FROM batches WHERE key = ?", [(known,) for known in keys])

    def stats(self) -> list[dict[str, Any]]:
        """Replies, tokens and dates, engine by engine."""
        rows = self.base.execute(
            "SELECT engine, COUNT(*), SUM(prompt_tokens), SUM(completion_tokens), MIN(made), MAX(made) FROM replies "
            "GROUP BY engine ORDER BY engine"
        )
        names = ("engine", "replies", "prompt_tokens", "completion_tokens", "first", "last")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def prune(self, engine: str | None = None, before: float | None = None) -> int:
        """Forget the replies of an engine, or those made before a time, or both; returns how many."""
        found = self.base.execute(
            "DELETE FROM replies WHERE (?1 IS NULL OR engine = ?1) AND (?2 IS NULL OR made < ?2)", (engine, before)
        ).rowcount
        self.base.execute("VACUUM")
        return found

    def export(self) -> Iterator[dict[str, Any]]:
        """Every reply with what was asked, in the order in which they were made."""
        names = ("engine", "asked", "text", "finish_reason", "prompt_tokens", "completion_tokens", "made")
        for row in self.base.execute(f"SELECT {', '.join(names)} FROM replies ORDER BY made, key"):
            found = dict(zip(names, row, strict=True))
            *messages, sampling = json.loads(found.pop("asked"))
            yield {"messages": messages, "sampling": sampling, **found}

    def owner(self) -> "_Owner":
        """Claims, released when the call that made them ends."""
        return _Owner(self.base, f"{socket.gethostname()}/{os.getpid()}/{time.monotonic_ns()}")


@dataclass(slots=True)
class _Owner:
    base: sqlite3.Connection
    name: str
    _beat: float = 0

    def __enter__(self) -> "_Owner":
        self._live()
        return self

    def __exit__(self, *_: object) -> None:
        self.base.execute("DELETE FROM claims WHERE owner = ?", (self.name,))
        self.base.execute("DELETE FROM owners WHERE owner = ?", (self.name,))

    def claim(self, waiting: dict[int, bytes]) -> list[int]:
        """The places whose keys nobody else asks for, claimed; keys of processes that are gone are taken over."""
        self._live()
        self._bury()
        self.base.execute("BEGIN IMMEDIATE")
        try:
            won = []
            for place, known in waiting.items():
                done = self.base.execute("SELECT 1 FROM replies WHERE key = ?", (known,)).fetchone()
                if (
                    not done
                    and self.base.execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", (known, self.name)).rowcount
                ):
                    won.append(place)
        finally:
            self.base.execute("COMMIT")
        return won

    def release(self, known: bytes) -> None:
        """The key is stored, or has failed."""
        self.base.execute("DELETE FROM claims WHERE key = ?", (known,))
        self._live()

    def _live(self) -> None:
        if time.monotonic() - self._beat > STALE / 10:
            self._beat = time.monotonic()
            about = (self.name, socket.gethostname(), os.getpid(), time.time())
            self.base.execute("INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?)", about)

    def _bury(self) -> None:
        here = socket.gethostname()
        for owner, host, process, beat in self.base.execute("SELECT * FROM owners").fetchall():
            if (host == here and not _alive(process)) or (host != here and beat < time.time() - STALE):
                self.base.execute("DELETE FROM claims WHERE owner = ?", (owner,))
                self.base.execute("DELETE FROM owners WHERE owner = ?", (owner,))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
