"""How many calls are under way: as many as the server bears, found by additive increase, multiplicative decrease."""

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

DECREASE = 0.8
FIRST_GROWTH = 1 / 4
"""Until a server refuses for the first time, so much is added in each round of answers: calls that start and end all
together leave it idle between two rounds, a few that wait there do not."""
GROWTH_AFTER_REFUSAL = 4
"""Rounds of success that a server which refused has to show for one more call at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a user may set; caps that are None are not there."""

    concurrency: int = 64
    """Calls under way at the start; fewer when the server refuses, and never more than four times as many."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    attempts: int = 4
    """Calls for one prompt that may break (5xx, no connection, an answer that is no JSON); refusals don't count."""
    backoff_seconds: float = 0.5
    """The wait after a first broken call; it doubles with each, up to sixteen times, and is jittered."""
    connect_seconds: float = 10
    read_seconds: float = 600
    patience_seconds: float = 900
    """How long one prompt may be refused (429) before it is given up."""
    dead_seconds: float = 30
    """How long a server that has answered may be out of reach before the run stops."""


@dataclass(slots=True)
class Throttle:
    """The state for one server and model. `history` is (seconds since the start, calls under way allowed)."""

    limits: Limits
    allowed: float = 0
    under_way: int = 0
    refused: bool = False
    history: list[tuple[float, int]] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _slowed: float = -1e9
    _closed_until: float = 0
    _calls: deque[tuple[float, int]] = field(default_factory=deque)
    _tokens: deque[tuple[float, int]] = field(default_factory=deque)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.allowed = float(self.limits.concurrency)
        self._note()

    def begin(self) -> None:
        """Start anew in the running event loop; what was learnt about the server stays."""
        self.under_way, self._freed = 0, asyncio.Event()

    async def enter(self) -> None:
        """Wait until one more call may begin."""
        while (wait := self._wait()) > 0:
            self._freed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._freed.wait(), wait)
        self.under_way += 1
        self._calls.append((time.monotonic(), 1))

    def leave(self) -> None:
        """A call has ended, well or not."""
        self.under_way -= 1
        self._freed.set()

    def answered(self, tokens: int) -> None:
        """The server bore it: after a round of answers more at a time, and one more once it has ever refused."""
        self._tokens.append((time.monotonic(), tokens))
        before = int(self.allowed)
        growth = 1 / (self.allowed * GROWTH_AFTER_REFUSAL) if self.refused else FIRST_GROWTH
        if self.under_way >= before - 1:  # only a limit that was reached has been tried
            self.allowed = min(self.allowed + growth, 4 * self.limits.concurrency)
        if int(self.allowed) != before:
            self._note()

    def slow_down(self, retry_after: float | None) -> None:
        """The server refused (429): fewer calls at a time, once for each burst of refusals; no call before it says."""
        now = time.monotonic()
        if retry_after:
            self._closed_until = max(self._closed_until, now + retry_after)
        if now - self._slowed < 1:
            return
        self._slowed, self.refused = now, True
        self.allowed = max(1.0, self.allowed * DECREASE)
        self._note()

    def _wait(self) -> float:
        """Seconds until it is worth looking again; 0: a call may begin."""
        now = time.monotonic()
        if self._closed_until > now:
            return self._closed_until - now
        if self.under_way >= int(self.allowed):
            return 1.0
        return max(
            _full(self._calls, self.limits.requests_per_minute, now),
            _full(self._tokens, self.limits.tokens_per_minute, now),
        )

    def _note(self) -> None:
        self.history.append((round(time.monotonic() - self._began, 3), int(self.allowed)))
        logger.info("concurrency %d after %.1f s", *reversed(self.history[-1]))


def _full(spent: deque[tuple[float, int]], cap: int | None, now: float) -> float:
    """Seconds until what was spent within the last minute is below the cap."""
    while spent and spent[0][0] < now - 60:
        spent.popleft()
    if cap is None or sum(amount for _, amount in spent) < cap:
        return 0
    return max(spent[0][0] + 60 - now, 0.01)
