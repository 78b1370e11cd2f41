"""The batch endpoint of an OpenAI-compatible server: slower, and at OpenAI for half the money.

Requests go up as a file, and the replies come down as one, within a day. Which prompt waits in which batch is written
into the store before anything else: a run that was killed while a batch is pending goes on waiting for that batch.
"""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from leaven.errors import UserError
from leaven.llm.client import Request, ServerError
from leaven.llm.engines.openai import OpenAI
from leaven.llm.engines.openai import read_completion as completion
from leaven.llm.protocol import Reply, Sampling, spoken
from leaven.llm.store import Store, draws_of, key
from leaven.rows.example import Prompt

logger = logging.getLogger(__name__)

FEW = 4
"""So many prompts are not worth a batch, and are asked at once: a budget's pilot among them."""
MOST = 50_000
"""Requests in one batch (OpenAI's limit)."""
ENDED = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class Batched:
    """An engine that asks `server` by batches, and remembers them in `store`; `every` are the seconds between looks."""

    server: OpenAI
    store: Store
    every: float = 30.0
    takes_schema: bool = True

    @property
    def name(self) -> str:
        """The server's own name: a reply is the same whichever way it was asked for."""
        return self.server.name

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Replies batch by batch. Raises ServerError when the server does not take a batch."""
        asked = list(spoken(prompts, self.name))
        if len(asked) <= FEW:
            yield from self.server.replies(asked, sampling)
            return
        draws = draws_of(asked, sampling)
        keys = [key(self.name, prompt, sampling, draw).hex() for prompt, draw in zip(asked, draws, strict=True)]
        places = {known: place for place, known in enumerate(keys)}
        pending = self.store.batches(self.name)
        new = [place for place, known in enumerate(keys) if known not in pending]
        waiting: dict[str, set[str]] = defaultdict(set)
        for known in keys:
            if known in pending:
                waiting[pending[known]].add(known)
        chunks = iter(new)
        while part := list(islice(chunks, MOST)):
            batch = self._send([(keys[place], asked[place]) for place in part], sampling)
            self.store.keep_batch(self.name, batch, [keys[place] for place in part])
            waiting[batch] = {keys[place] for place in part}
        for batch, wanted in waiting.items():
            for known, reply in self._fetch(batch, wanted):
                yield places[known], reply
            self.store.forget_batch(wanted)

    def _send(self, requests: Sequence[tuple[str, Prompt]], sampling: Sampling) -> str:
        """Upload the requests, and start the batch."""
        lines = [
            {"custom_id": known, "method": "POST", "url": "/v1/chat/completions",
             "body": self.server.body(prompt, sampling)}
            for known, prompt in requests
        ]  # fmt: skip
        content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "replace")
        file = self._called(Request("/files", form={"purpose": "batch", "file": content}))["id"]
        about = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = str(self._called(Request("/batches", about))["id"])
        logger.info("batch %s: %d requests sent", batch, len(requests))
        return batch

    def _fetch(self, batch: str, wanted: set[str]) -> Iterator[tuple[str, Reply]]:
        """What came back of a batch, once it has ended; what did not is a failed reply."""
        state = self._called(Request(f"/batches/{batch}", method="GET"))
        while state.get("status") not in ENDED:
            counts = state.get("request_counts") or {}
            logger.info(
                "batch %s %s: %s of %s done", batch, state.get("status"), counts.get("completed"), counts.get("total")
            )
            time.sleep(self.every)
            state = self._called(Request(f"/batches/{batch}", method="GET"))
        left = set(wanted)
        for name in ("output_file_id", "error_file_id"):
            for line in self._lines(state.get(name)):
                known = line.get("custom_id")
                if known in left:
                    left.discard(known)
                    yield known, _reply(line)
        for known in sorted(left):
            yield known, Reply(None, f"the batch {batch} {state['status']} without it: {_why(state)}")

    def _lines(self, file: str | None) -> Iterator[dict[str, Any]]:
        if not file:
            return
        for line in str(self._called(Request(f"/files/{file}/content", method="GET"), str)).splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue  # a line that was cut: its prompt is missed below, and said so
            if isinstance(found, dict):
                yield found

    def _called(self, request: Request, read: Callable[[str], Any] = json.loads) -> Any:
        """The server's answer; what may pass is tried again."""
        try:
            answer = self.server.client.request(request, partial(_read, read))
            if answer.value is not None:
                return answer.value[0]
            fault = answer.fault
        except ServerError as error:
            fault = error.problem
        raise ServerError(
            f"the server does not serve batches: {fault}",
            "Ask without --batch, or start the same command again later: what was sent is not sent twice.",
        )


def of(server: object, store: Store | None) -> Batched:
    """The engine with batches. Raises UserError for an engine that has none, or without a store to remember them."""
    if not isinstance(server, OpenAI):
        raise UserError("--batch needs a server that takes batches", "For example --llm openai:MODEL.")
    if store is None:
        raise UserError("--batch needs a store, which remembers what is pending", "Leave out --store off.")
    return Batched(server, store)


def _read(read: Callable[[str], Any], text: str) -> tuple[Any] | str:
    try:
        return (read(text),)
    except ValueError:
        return "the answer is no JSON"


def _reply(line: dict[str, Any]) -> Reply:
    response = line.get("response") or {}
    status, body = response.get("status_code"), response.get("body")
    if status != 200:
        said = line.get("error") or (body or {}).get("error") or {}
        message = said.get("message") if isinstance(said, dict) else said
        return Reply(None, f"the server refuses it ({status}): {str(message)[:200]}")
    found = completion(json.dumps(body))
    return found if isinstance(found, Reply) else Reply(None, found)


def _why(state: dict[str, Any]) -> str:
    errors = (state.get("errors") or {}).get("data") or []
    return "; ".join(str(error.get("message")) for error in errors[:3]) or "no reason given"
