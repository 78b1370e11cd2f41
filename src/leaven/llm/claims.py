"""Who is asking for what: a process claims keys while it asks for their replies, so that another one does not pay too.

A claim is a lease. Its owner gives a sign of life every few seconds, whether replies come or not, from a thread of its
own; claims of an owner that has been silent for `SILENCE` seconds are anybody's. Who waits measures that by its own
clock, and never by dates in the file: the clocks of two hosts differ, and that of a laptop jumps when it wakes. A
process id alone proves nothing, since a reboot or another container gives it to somebody else.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from secrets import token_hex
from socket import gethostname

logger = logging.getLogger(__name__)

BEAT, SILENCE = 5.0, 30.0
"""Seconds between two signs of life of an owner, and seconds of silence after which it counts as gone."""
LOOK, SAY = 0.5, 60.0
"""Seconds between two looks at what another process was asked for, and between two sentences about it."""
TABLES = """
CREATE TABLE IF NOT EXISTS claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, host TEXT NOT NULL, process INTEGER, beat REAL NOT NULL);
"""


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All writes inside are made, or none."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # a full disk has undone it already
            database.execute("ROLLBACK")
        raise


@dataclass(slots=True)
class Claims:
    """The claims of one call, given back when it ends: `with store.claims() as claims: claims.claim(waiting)`."""

    database: sqlite3.Connection
    path: Path
    owner: str = field(default_factory=lambda: token_hex(8))
    _over: threading.Event = field(default_factory=threading.Event)
    _signs: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The last sign of life of every other owner, and when it was first seen here (monotonic seconds)."""
    _said: float = -SAY

    def __enter__(self) -> "Claims":
        threading.Thread(target=self._beat, daemon=True, name="leaven-claims").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(sqlite3.Error), transaction(self.database):  # where it can't be written, silence gives them back
            self.database.execute("DELETE FROM claims WHERE owner = ?", (self.owner,))
            self.database.execute("DELETE FROM owners WHERE owner = ?", (self.owner,))

    def claim(self, waiting: Mapping[int, bytes]) -> list[int]:
        """The places whose keys nobody else asks for, claimed; keys of owners that are gone are taken over."""
        gone = self._gone()
        with transaction(self.database):
            self._sign(self.database)
            self.database.executemany("DELETE FROM owners WHERE owner = ?", [(owner,) for owner in gone])
            self.database.execute("DELETE FROM claims WHERE owner NOT IN (SELECT owner FROM owners)")
            return [place for place, key in waiting.items() if self._wins(key)]

    def release(self, key: bytes) -> None:
        """Its call has failed: whoever waits for the key may ask."""
        with suppress(sqlite3.Error):
            self.database.execute("DELETE FROM claims WHERE key = ? AND owner = ?", (key, self.owner))

    def wait(self, waiting: Mapping[int, bytes]) -> None:
        """Let the others work for a moment; who is waited for is said, and said again."""
        if time.monotonic() - self._said >= SAY:
            self._said = time.monotonic()
            logger.warning(
                "waiting for %s replies that %s asks for; they are asked here once it gives no sign of life for %.0f s",
                f"{len(waiting):,}", self._askers(waiting.values()), SILENCE,
            )  # fmt: skip
        time.sleep(LOOK)

    def _wins(self, key: bytes) -> bool:
        if self.database.execute("SELECT 1 FROM replies WHERE key = ?", (key,)).fetchone():
            return False
        return self.database.execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", (key, self.owner)).rowcount > 0

    def _gone(self) -> list[str]:
        """The owners that are dead for certain, or have been silent for too long."""
        gone, now = list[str](), time.monotonic()
        for owner, place, process, beat in self.database.execute("SELECT owner, host, process, beat FROM owners"):
            if self._signs.get(owner, (None,))[0] != beat:
                self._signs[owner] = (beat, now)
            if (place == _here() and not _alive(process)) or now - self._signs[owner][1] > SILENCE:
                gone.append(owner)
        return gone

    def _askers(self, keys: Iterable[bytes]) -> str:
        few = list(islice(keys, 500))
        marks = ",".join("?" * len(few))
        rows = self.database.execute(
            "SELECT DISTINCT process, host FROM owners JOIN claims USING (owner) "
            f"WHERE owner <> ? AND key IN ({marks}) ORDER BY process",
            [self.owner, *few],
        )
        names = [f"process {process} on {place.partition('/')[0]}" for process, place in rows]
        return ", ".join(names[:3]) or "another process"

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with suppress(sqlite3.Error), closing(sqlite3.connect(self.path, BEAT, isolation_level=None)) as database:
                self._sign(database)  # where it can't be written, no reply can be either, and that is said

    def _sign(self, database: sqlite3.Connection) -> None:
        about = (self.owner, _here(), os.getpid(), time.time())
        database.execute("INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?)", about)


@cache
def _here() -> str:
    """Where process ids mean the same: the host, this start of it, and the container."""
    marks = [gethostname()]
    with suppress(OSError):  # only Linux says more than the host
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        marks.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return "/".join(marks)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
