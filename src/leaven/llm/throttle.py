"""How many calls are under way at a server: as many as it bears, found by asking, and remembered.

A server refuses (429) for one of two reasons. Where it takes so many calls *at a time*, the call that is one too many
says how many those are: the throttle stays there, and only seldom tries one more. Where it takes so many calls *a
minute*, refusals come however few are under way: then nothing is sent until it says, and fewer at a time afterwards.
"""

import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

logger = logging.getLogger(__name__)

DECREASE = 0.8
FIRST_GROWTH = 1 / 4
"""Until a server refuses for the first time, so much is added to the calls at a time with each answer. More than it
works on at once is right: where all calls start and end together, it is idle between two rounds."""
GROWTH_AFTER_REFUSAL = 4
"""Rounds of success that a server which refused for its rate has to show for one more call at a time."""
PROBE_SECONDS, SELDOM_SECONDS = 1.0, 10.0
"""The pause before one call more than its cap is tried at a server; it doubles with each that is refused."""
FORGET, CHANCE = 1 / 32, 0.1
"""A server that refuses fewer than a tenth of its calls (a moving average, with this rate) does so by chance."""
DOUBT = 7 / 8
"""Where calls are refused one after another, the cap is no lower than this share of what the first of them says."""
BURST_SECONDS = 1.0
"""Refusals that are no further apart are one event."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a user may set, for each server; caps that are None are not there."""

    concurrency: int = 64
    """Calls under way at the start; fewer when the server refuses, and never more than four times as many."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    attempts: int = 6
    """Calls for one prompt that may break (5xx, no connection, an answer that is no JSON); refusals don't count."""
    backoff_seconds: float = 0.5
    """The wait after a first broken call; it doubles with each, up to thirty-two times, and is jittered."""
    connect_seconds: float = 10
    read_seconds: float = 600
    patience_seconds: float = 900
    """How long one prompt may be refused (429) before it is given up."""
    dead_seconds: float = 60
    """How long a server that has answered may be out of reach before the run stops."""


class Call(NamedTuple):
    """A call that was sent: when, and how many were under way with it."""

    began: float
    under_way: int


@dataclass(slots=True)
class Minute:
    """What was spent within the last minute."""

    total: int = 0
    parts: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, now: float, amount: int) -> None:
        """So much more."""
        self.total += amount
        self.parts.append((now, amount))

    def full(self, cap: int | None, now: float) -> float:
        """Seconds until less than the cap was spent."""
        while self.parts and self.parts[0][0] < now - 60:
            self.total -= self.parts.popleft()[1]
        if cap is None or self.total < cap:
            return 0
        return max(self.parts[0][0] + 60 - now, 0.01)


@dataclass(slots=True)
class Throttle:
    """The state for one server and model. `history` is (seconds since the start, calls under way allowed)."""

    limits: Limits
    allowed: float = 0
    under_way: int = 0
    turned_away: int = 0
    cap: int | None = None
    """Calls that it takes at a time, as its refusals say; None: nothing says so."""
    history: list[tuple[float, int]] = field(default_factory=list)
    _began: float = 0
    _peak: int = 0
    """The most under way since it was last lowered."""
    _refused: bool = False
    _known: float = 0
    """So many at a time were borne, or hoped for: up to there the way back is quick."""
    _share: float = 0
    """Refusals among the last calls, the older ones counting less."""
    _step: int = 1
    _pause: float = PROBE_SECONDS
    _probe_at: float = 0
    _lowered: float = -1e9
    _decreased: float = -1e9
    _least: float = 0
    _closed_until: float = -1e9
    _calls: Minute = field(default_factory=Minute)
    _tokens: Minute = field(default_factory=Minute)

    def __post_init__(self) -> None:
        self._began, self._known = time.monotonic(), self.limits.concurrency
        self._allow(self.limits.concurrency)

    def wait(self) -> float:
        """Seconds until it is worth looking again; 0: a call may begin."""
        now = time.monotonic()
        if self._closed_until > now:
            return self._closed_until - now
        if self.under_way >= int(self.allowed):
            return 1.0
        return max(
            self._calls.full(self.limits.requests_per_minute, now),
            self._tokens.full(self.limits.tokens_per_minute, now),
        )

    def begin(self) -> Call:
        """A call begins."""
        self.under_way += 1
        self._peak = max(self._peak, self.under_way)
        self._calls.add(time.monotonic(), 1)
        return Call(time.monotonic(), self.under_way)

    def end(self) -> None:
        """It has ended, well or not."""
        self.under_way -= 1

    def on_tokens(self, tokens: int) -> None:
        """What a call took of the tokens a minute."""
        self._tokens.add(time.monotonic(), tokens)

    def on_answer(self, call: Call) -> None:
        """The server answered: more at a time, unless it has refused more."""
        now = time.monotonic()
        self._share -= self._share * FORGET
        if self.cap is None:
            growth = FIRST_GROWTH if not self._refused else 1 / (self.allowed * GROWTH_AFTER_REFUSAL)
            if self.allowed < self._peak * (1 + FIRST_GROWTH) + 1:  # only a limit that was reached has been tried
                self._allow(self.allowed + growth)
        elif call.under_way > self.cap and call.began > self._lowered:  # it bears one more: on, and faster where it did
            self.cap, self._pause = call.under_way, max(PROBE_SECONDS, self._pause / 2)
            self._step = min(2 * self._step, max(1, int(self._known) - self.cap))
            self._allow(self.cap + self._step)
        elif now >= self._probe_at:
            self._allow(self.cap + self._step)

    def on_refusal(self, call: Call, retry_after: float | None) -> bool:
        """The server refused a call (429); True: for want of room, which the next call to end will give.

        It need not wait as long as Retry-After says: another call would have the place meanwhile, so that the server
        gets as many, and the one that waited ends after all others.
        """
        now, soon = time.monotonic(), max(BURST_SECONDS, retry_after or 0)
        first, probing = not self._refused, self.cap is not None and self._peak > self.cap
        self.turned_away += 1
        self._refused = True
        self._share += (1 - self._share) * FORGET
        recent = not probing and now - self._lowered <= BURST_SECONDS
        if call.began <= self._lowered or (recent and self.cap is not None and call.under_way > self.cap):
            if self.cap is not None:  # it was under way beside another that was refused: both were too many
                self._stay_at(self.cap - 1)
                self._least = self.allowed * DOUBT
        elif recent and self.cap is not None and call.under_way == self.cap > max(1, self._least):
            self._stay_at(self.cap - 1)  # answers under way stand for calls that the server has no more
        elif not first and not probing and self._share < CHANCE:
            return False
        elif first or probing or now - self._lowered > soon:
            self._step, self._pause = 1, min(2 * self._pause, SELDOM_SECONDS)
            self._lowered, self._probe_at = now, now + self._pause
            self._stay_at(self._peak - 1)
            self._least = self.allowed * DOUBT
        else:  # so soon again, and not with more at a time: it is the rate
            self._closed_until = max(self._closed_until, now + (retry_after or 0))
            self._lowered, self.cap = now, None
            if now - self._decreased >= BURST_SECONDS:
                self._decreased = now
                self._allow(self.allowed * DECREASE)
                self._known = self.allowed
        return self.cap is not None and self.under_way > 0

    def _stay_at(self, cap: int) -> None:
        self.cap, self._peak = max(1, cap), self.under_way
        self._allow(self.cap)

    def _allow(self, calls: float) -> None:
        before = int(self.allowed)
        self.allowed = max(1.0, min(float(calls), 4.0 * self.limits.concurrency))
        if int(self.allowed) != before:
            self.history.append((round(time.monotonic() - self._began, 3), int(self.allowed)))
            logger.info("concurrency %d after %.1f s", *reversed(self.history[-1]))
