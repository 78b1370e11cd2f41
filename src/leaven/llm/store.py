"""Replies that were paid for, kept in SQLite: shared by runs, projects and processes, and never paid for again.

A reply's key is made of all that can change it (engine, messages, sampling, the number of its draw) and of nothing
else: adding rows, reordering them or changing a parser pays for nothing again. Each reply is written as it arrives.
A process claims the prompts that it is about to ask, so that another one waits for them instead of paying too.
"""

import hashlib
import json
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from leaven.errors import UserError
from leaven.llm.claims import TABLES as CLAIMS
from leaven.llm.claims import Claims, transaction
from leaven.llm.protocol import Reply, Sampling, Wrapper
from leaven.rows.example import Prompt
from leaven.runs.cache import cache_folder

logger = logging.getLogger(__name__)

TABLES = """
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY, engine TEXT NOT NULL, asked TEXT NOT NULL, text TEXT NOT NULL, finish_reason TEXT,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, made REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (key TEXT PRIMARY KEY, batch TEXT NOT NULL, engine TEXT NOT NULL) WITHOUT ROWID;
"""
READ_AT_ONCE = 500


def default_path() -> Path:
    """Where replies lie unless `--store` says otherwise: the user's cache folder."""
    return cache_folder() / "replies.db"


def key(engine: str, prompt: Prompt, sampling: Sampling, draw: int) -> bytes:
    """Sixteen bytes that stand for a reply; greedy ones do not depend on the seed."""
    seed = sampling.seed if sampling.temperature > 0 else 0
    settings = [sampling.temperature, sampling.top_p, sampling.max_new_tokens, sampling.schema, seed, draw]
    about = [engine, [message.key for message in prompt], *settings]
    return hashlib.sha256(json.dumps(about, ensure_ascii=False).encode("utf-8", "surrogatepass")).digest()[:16]


def draws_of(prompts: Sequence[Prompt], sampling: Sampling) -> tuple[int, ...]:
    """Which draw of its prompt each one is, as told or else counted: equal prompts are different draws."""
    if sampling.draws:
        return sampling.draws
    counts, draws = Counter[Prompt](), list[int]()
    for prompt in prompts:
        draws.append(counts[prompt])
        counts[prompt] += 1
    return tuple(draws)


@dataclass(frozen=True, slots=True)
class Stored(Wrapper):
    """An engine whose replies go through a store: `Stored(engine, Store.open(path))`."""

    store: "Store"

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """What is there at once, then what the engine says, then what other processes were asked for meanwhile.

        Raises UserError when the store can't be written, once the calls under way have ended.
        """
        queries = list(prompts)
        sampling = replace(sampling, draws=draws_of(queries, sampling))
        waiting = {
            place: key(self.name, prompt, sampling, draw)
            for place, (prompt, draw) in enumerate(zip(queries, sampling.draws, strict=True))
        }
        try:
            with self.store.claims() as claims:
                while waiting:
                    for place, reply in self._known(waiting):
                        del waiting[place]
                        yield place, reply
                    mine = claims.claim(waiting)
                    for place, reply in self._ask(mine, dict(waiting), queries, sampling, claims):
                        del waiting[place]
                        yield place, reply
                    if waiting and not mine:
                        claims.wait(waiting)
        except sqlite3.Error as error:
            raise self.store.unwritable(error) from error

    def _known(self, waiting: dict[int, bytes]) -> Iterator[tuple[int, Reply]]:
        places = list(waiting.items())
        for start in range(0, len(places), READ_AT_ONCE):
            part = places[start : start + READ_AT_ONCE]
            replies = self.store.get([reply_key for _, reply_key in part])
            for place, reply_key in part:
                if reply_key in replies:
                    yield place, replies[reply_key]

    def _ask(
        self,
        mine: Sequence[int],
        keys: Mapping[int, bytes],
        queries: Sequence[Prompt],
        sampling: Sampling,
        claims: Claims,
    ) -> Iterator[tuple[int, Reply]]:
        """The engine's replies, each stored as it comes; when one can't be, no more is asked."""
        # Engines draw by place: what is left of a row of prompts must not begin with the draws of its beginning.
        draws = tuple(sampling.draws[place] for place in mine)
        sampling = replace(sampling, first=sampling.first + min(mine, default=0), draws=draws)
        leftovers, failures = dict[int, Reply](), self.store.failures
        failures.clear()
        wanted = (queries[place] for place in takewhile(lambda _: not failures, mine))
        try:
            for number, reply in self.engine.replies(wanted, sampling):
                place = mine[number]
                if reply.text is None:
                    claims.release(keys[place])
                elif failures or not self.store.put(keys[place], self.name, queries[place], sampling, reply):
                    leftovers[place] = reply
                yield place, reply
        except UserError:  # the budget may be used up as well
            if not failures:
                raise
        if failures:
            again = [
                self.store.put(keys[place], self.name, queries[place], sampling, leftovers[place])
                for place in leftovers
            ]
            raise self.store.unwritable(failures[0], again.count(False)) from failures[0]


@dataclass(frozen=True, slots=True)
class Store:
    """The file. Open it once for each process."""

    path: Path
    database: sqlite3.Connection = field(repr=False)
    failures: list[sqlite3.Error] = field(default_factory=list, repr=False)
    """Why replies of this call could not be kept; the first one ends the asking."""

    @classmethod
    def open(cls, path: Path | None = None) -> "Store":
        """The store at `path`, made where there is none. Raises UserError for a file that is something else."""
        path = path or default_path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.executescript(TABLES + CLAIMS)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"the store {path} can't be opened: {error}", "Name another file: --store FILE") from error
        return cls(path, database)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """The replies that are there."""
        marks = ",".join("?" * len(keys))
        rows = self.database.execute(
            f"SELECT key, text, finish_reason, prompt_tokens, completion_tokens FROM replies WHERE key IN ({marks})",
            list(keys),
        )
        return {row[0]: Reply(row[1], None, row[2], row[3], row[4], cached=True, attempts=0) for row in rows}

    def put(self, reply_key: bytes, engine: str, prompt: Prompt, sampling: Sampling, reply: Reply) -> bool:
        """Keep a reply, which then waits in no batch and is claimed by nobody; one that is there already stays.

        Returns False where that fails, and says why in `failures`.
        """
        question = json.dumps([*(message.key for message in prompt), asdict(replace(sampling, draws=()))])
        row = (reply_key, engine, question, reply.text, reply.finish_reason, reply.prompt_tokens,
               reply.completion_tokens, time.time())  # fmt: skip
        try:
            with transaction(self.database):
                self.database.execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
                self.database.execute("DELETE FROM claims WHERE key = ?", (reply_key,))
                self.database.execute("DELETE FROM batches WHERE key = ?", (reply_key.hex(),))
        except sqlite3.Error as error:
            self.failures.append(error)
            return False
        return True

    def batches(self, engine: str) -> dict[str, str]:
        """The pending batch of each key (in hexadecimal digits) that waits in one."""
        return dict(self.database.execute("SELECT key, batch FROM batches WHERE engine = ?", (engine,)))

    def keep_batch(self, engine: str, batch: str, keys: Sequence[str]) -> None:
        """Remember that these keys wait in a batch."""
        rows = [(key, batch, engine) for key in keys]
        with transaction(self.database):
            self.database.executemany("INSERT OR REPLACE INTO batches VALUES (?, ?, ?)", rows)

    def forget_batch(self, keys: Iterable[str]) -> None:
        """The replies to these keys have been fetched."""
        self.database.executemany("DELETE FROM batches WHERE key = ?", [(one,) for one in keys])

    def stats(self) -> list[dict[str, Any]]:
        """Replies, tokens and dates, engine by engine."""
        rows = self.database.execute(
            "SELECT engine, COUNT(*), SUM(prompt_tokens), SUM(completion_tokens), MIN(made), MAX(made) FROM replies "
            "GROUP BY engine ORDER BY engine"
        )
        names = ("engine", "replies", "prompt_tokens", "completion_tokens", "first", "last")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def prune(self, engine: str | None = None, before: float | None = None) -> int:
        """Forget the replies of an engine, or those made before a time, or both; returns how many."""
        count = self.database.execute(
            "DELETE FROM replies WHERE (?1 IS NULL OR engine = ?1) AND (?2 IS NULL OR made < ?2)", (engine, before)
        ).rowcount
        self.database.execute("VACUUM")
        return count

    def export(self) -> Iterator[dict[str, Any]]:
        """Every reply with what was asked, in the order in which they were made."""
        names = ("engine", "asked", "text", "finish_reason", "prompt_tokens", "completion_tokens", "made")
        for row in self.database.execute(f"SELECT {', '.join(names)} FROM replies ORDER BY made, key"):
            line = dict(zip(names, row, strict=True))
            *messages, sampling = json.loads(line.pop("asked"))
            yield {"messages": messages, "sampling": sampling, **line}

    def claims(self) -> Claims:
        """What one call asks for, kept from being asked twice: `with store.claims() as claims: ...`."""
        return Claims(self.database, self.path)

    def unwritable(self, error: BaseException, lost: int = 0) -> UserError:
        """What to say when the file can't be written, and how many replies that were answered could not be kept."""
        more = f"; {lost:,} replies that were answered could not be kept" if lost else ""
        return UserError(
            f"the store {self.path} can't be written: {error}{more}",
            "Free some space, or name a file on another disk (--store FILE). Then give the same command again: it "
            "asks for what is not stored, and pays for nothing else.",
        )
