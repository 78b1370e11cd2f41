"""The batches of one call: those that wait for room at the server, and those under way.

What waits in which batch is written into the store, and before a batch is begun the file that it will be begun from: a
process that is killed at any moment is followed by one that finds its batches again, and begins none twice.
"""

import json
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from leaven.llm.batch_endpoint import ENDED, Endpoint, Full, TooLarge, unusable, why
from leaven.llm.engines.openai import read_completion
from leaven.llm.protocol import Reply
from leaven.llm.store import Store

logger = logging.getLogger(__name__)

MOST, BYTES = 50_000, 100_000_000
"""Requests in one batch, and bytes in its file (OpenAI takes 200 MB, others half of it)."""
FEWEST = 100
"""No batch is made smaller than that for want of room, where the server does not say how much it has."""
BYTES_A_TOKEN = 4
FILE = "file:"
"""Stands in the store before the id of a file whose batch may have been begun, or not."""
SAY = 600.0
"""Seconds between two sentences about what waits for room."""


@dataclass(slots=True)
class Queue:
    """Batches of the requests that `line` gives for keys, at `endpoint`, remembered in `store` under `engine`."""

    endpoint: Endpoint
    store: Store
    engine: str
    line: Callable[[str], bytes]
    waiting: deque[Sequence[str]] = field(default_factory=deque)
    under_way: dict[str, list[str]] = field(default_factory=dict)
    _full: bool = False
    _said: float = -SAY

    def resume(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that wait in a batch which was begun earlier, by whomever."""
        pending = self.store.batches(self.engine)
        for key in keys:
            if key in pending:
                self.under_way.setdefault(pending[key], []).append(key)
        for intent in [batch for batch in self.under_way if batch.startswith(FILE)]:
            part = self.under_way.pop(intent)
            if batch := self.endpoint.find(intent.removeprefix(FILE)):
                self._begun(batch, part)
            else:
                self.store.forget_batch(part)
        return {key for part in self.under_way.values() for key in part}

    def add(self, keys: Iterable[str]) -> None:
        """Put keys into batches that are no larger than a server takes."""
        part, size = list[str](), 0
        for key in keys:
            length = len(self.line(key))
            if part and (len(part) == MOST or size + length > BYTES):
                self.waiting.append(part)
                part, size = [], 0
            part.append(key)
            size += length
        if part:
            self.waiting.append(part)

    def replies(self, every: float) -> Iterator[tuple[str, Reply]]:
        """The reply to each key, a batch at a time; `every` are the seconds between looks."""
        while self.waiting or self.under_way:
            if not (self._full and self.under_way):
                while self.waiting and self._send(self.waiting.popleft()):
                    pass
            idle = True
            for batch in list(self.under_way):
                for reply in self._fetch(batch):
                    idle = False
                    yield reply
            if self.store.failures:  # what can't be stored is better left at the server
                return
            if idle:
                time.sleep(every)

    def _send(self, keys: Sequence[str]) -> bool:
        """Begin a batch, or put it back where the server has no room for it."""
        try:
            file = self.endpoint.upload(b"".join(self.line(key) for key in keys))
            self.store.keep_batch(self.engine, FILE + file, keys)
            self._begun(self.endpoint.begin(file), keys)
        except Full as refusal:
            self._put_back(keys, refusal)
            return False
        return True

    def _begun(self, batch: str, keys: Sequence[str]) -> None:
        self.store.keep_batch(self.engine, batch, keys)
        self.under_way[batch] = [*self.under_way.get(batch, ()), *keys]
        logger.info("batch %s: %d requests", batch, len(keys))

    def _put_back(self, keys: Sequence[str], refusal: Full) -> None:
        """To be begun again when another batch has ended; where there is none that could, in halves."""
        self.store.forget_batch(keys)
        self._full = True
        if self._too_many(keys, refusal):
            if len(keys) == 1:
                raise unusable(str(refusal)) from refusal
            half = len(keys) // 2
            self.waiting.extendleft((keys[half:], keys[:half]))
        else:
            self.waiting.appendleft(keys)
        if time.monotonic() - self._said >= SAY:
            self._said = time.monotonic()
            logger.warning(
                "the server has no room for another batch now, %s requests wait: %s",
                f"{sum(map(len, self.waiting)):,}", refusal,
            )  # fmt: skip

    def _too_many(self, keys: Sequence[str], refusal: Full) -> bool:
        """Whether fewer requests would be taken: not where the room is taken by batches, our own or others'."""
        if isinstance(refusal, TooLarge):
            return True
        if self.under_way or len(keys) == 1:
            return False
        if limit := re.search(r"limit: *(\d[\d,]*)", str(refusal), re.IGNORECASE):
            tokens = sum(len(self.line(key)) for key in keys) / BYTES_A_TOKEN
            return tokens > int(limit[1].replace(",", "")) / 4
        return len(keys) > FEWEST

    def _fetch(self, batch: str) -> Iterator[tuple[str, Reply]]:
        """What came back of a batch, if it has ended; what did not is a failed reply."""
        try:
            state = self.endpoint.state(batch)
        except Full as refusal:
            self._put_back(self.under_way.pop(batch), refusal)
            return
        if state["status"] not in ENDED:
            counts = state.get("request_counts") or {}
            logger.info(
                "batch %s %s: %s of %s done", batch, state["status"], counts.get("completed"), counts.get("total")
            )
            return
        left, self._full = dict.fromkeys(self.under_way.pop(batch)), False
        for name in ("output_file_id", "error_file_id"):
            for line in self.endpoint.lines(state.get(name)):
                if (key := line.get("custom_id")) in left:
                    del left[key]
                    yield key, self._known(key, _reply(line))
        for key in left:
            yield key, self._known(key, Reply(None, f"the batch {batch} {state['status']} without it: {why(state)}"))

    def _known(self, key: str, reply: Reply) -> Reply:
        """The reply; one that failed waits in no batch any more, the others do until they are stored."""
        if reply.text is None:
            self.store.forget_batch([key])
        return reply


def _reply(line: dict[str, Any]) -> Reply:
    response = line.get("response") or {}
    status, body = response.get("status_code"), response.get("body")
    if status != 200:
        error = line.get("error") or (body or {}).get("error") or {}
        message = error.get("message") if isinstance(error, dict) else error
        return Reply(None, f"the server refuses it ({status}): {str(message)[:200]}")
    reply = read_completion(json.dumps(body))
    return replace(reply, batched=True) if isinstance(reply, Reply) else Reply(None, reply)
