"""The servers of one model: the least loaded one in reach is asked, and one that is gone is tried again later."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from leaven.llm.throttle import Call, Limits, Throttle

logger = logging.getLogger(__name__)

OUT_AFTER = 8
"""Calls in a row, over all prompts, that break until a server counts as out of reach."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds until one call tries a server again that is out of reach."""


@dataclass(slots=True)
class Server:
    """One address: what it bears, whether it is in reach, and what it was asked."""

    url: str
    throttle: Throttle
    requests: int = 0
    connections: int = 0
    broken: int = 0
    outages: int = 0
    out: bool = False
    heard: bool = False
    """Whether it ever said anything."""
    _in_a_row: int = 0
    _well: float = field(default_factory=time.monotonic)
    _pause: float = FIRST_PAUSE
    _try_at: float = 0

    def wait(self) -> float:
        """Seconds until it is worth looking again; 0: a call may begin."""
        if self.out and self.throttle.under_way:
            return 1.0
        return max(self._try_at - time.monotonic() if self.out else 0, self.throttle.wait())

    @property
    def load(self) -> float:
        """The share of what it bears that is under way."""
        return self.throttle.under_way / self.throttle.allowed

    @property
    def dead(self) -> bool:
        """Whether it never said anything, or nothing of use for a long time."""
        silent = time.monotonic() - self._well > self.throttle.limits.dead_seconds
        return self.out and (silent or not self.heard)

    def on_answer(self) -> None:
        """It gave an answer, or refused a request in words."""
        if self.out:
            logger.info("%s answers again", self.url)
        self.out, self.heard, self._in_a_row, self._pause = False, True, 0, FIRST_PAUSE
        self._well = time.monotonic()

    def on_break(self, why: str, status: int, first: bool) -> None:
        """A call broke: no connection (`status` 0), a server error, or nonsense.

        A prompt that breaks its server each time it is tried must not put the server out of reach: of errors that the
        server answers only those of a prompt's `first` call count.
        """
        self.broken += 1
        self.heard |= status > 0
        self._in_a_row += first or status == 0
        if self._in_a_row < OUT_AFTER or (self.out and time.monotonic() < self._try_at):
            return
        if not self.out:
            self.out, self.outages = True, self.outages + 1
            logger.warning("%s is out of reach: %s", self.url, why)
        self._try_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def count_anew(self) -> None:
        """Forget what was asked of it, and nothing else."""
        self.requests = self.connections = self.broken = self.outages = self.throttle.turned_away = 0

    def sentence(self) -> str:
        """What was asked of it, and how it went."""
        parts = [f"{_counted(self.requests, 'request')} over {_counted(self.connections, 'connection')}"]
        if self.throttle.turned_away:
            parts.append(f"{self.throttle.turned_away:,} refused for the time being (429)")
        if self.broken:
            parts.append(f"{self.broken:,} broken")
        if self.outages:
            parts.append(f"out of reach {_counted(self.outages, 'time')}" + (" and still is" if self.out else ""))
        return f"{self.url}: {', '.join(parts)}."


class Slot(NamedTuple):
    """A call's slot at a server, from before it is sent until its answer is there."""

    server: Server
    call: Call


@dataclass(slots=True)
class Servers:
    """The servers of one model. `slot` waits for room at one of them."""

    each: Sequence[Server]
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, urls: Sequence[str], limits: Limits) -> "Servers":
        """Those at these addresses, each within the limits."""
        return cls([Server(url, Throttle(limits)) for url in urls])

    def begin(self) -> None:
        """Start anew in the running event loop; what was learnt about the servers stays."""
        self._freed = asyncio.Event()
        for server in self.each:
            server.throttle.under_way = 0

    async def slot(self) -> Slot:
        """Wait until one more call may begin, and hold its slot at the server that is least loaded."""
        while True:
            waits = [server.wait() for server in self.each]
            if ready := [server for server, wait in zip(self.each, waits, strict=True) if wait <= 0]:
                server = min(ready, key=lambda server: server.load)
                return Slot(server, server.throttle.begin())
            self._freed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._freed.wait(), min(waits))

    def leave(self, slot: Slot) -> None:
        """A call has ended."""
        slot.server.throttle.end()
        self._freed.set()

    @property
    def dead(self) -> bool:
        """Whether there is none left to ask."""
        return all(server.dead for server in self.each)

    def sentences(self) -> list[str]:
        """What the end of a run says of each that was asked."""
        return [server.sentence() for server in self.each if server.requests]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
