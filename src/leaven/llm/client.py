"""One client for all that a model's servers are asked: chat, files, batches, embeddings.

It holds the throttle, tries again what may pass, and knows what makes no sense to ask again. The key goes to the
addresses that the user named: aiohttp takes it out of a request that is redirected to another host (a test holds that).
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

import aiohttp

from leaven.errors import Unfinished, UserError
from leaven.llm.address import Key, addresses, key
from leaven.llm.servers import Servers, Slot
from leaven.llm.throttle import Limits

T = TypeVar("T")
FATAL = {401: "refuses the key", 403: "refuses the key", 404: "has no such model or address"}
PASSING = (408, 409, 425, 429)
"""Refusals that may pass; each other one below 500 is final."""
HINT = "Check OPENAI_API_KEY, --base-url and the model's name."


class ServerError(UserError):
    """The server can't be used; what was answered so far has been yielded, and the same command goes on."""


class OutOfReach(ServerError, Unfinished):
    """No server answers any more, though one did: what is left is open."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a server is asked; `form` is sent as a form, a value in bytes as a file in it."""

    path: str
    json: Any = None
    form: Mapping[str, str | bytes] | None = None
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What became of a request: the `value` that was read in the answer, or the `fault`.

    `status` is that of the last call, 0 where there was no connection; `said` what the server answered to it.
    """

    value: T | None
    fault: str
    status: int
    said: str
    calls: int
    slot: Slot

    @property
    def refused(self) -> bool:
        """Whether the server refused the request itself: the same one would be refused again."""
        return bool(self.fault) and 400 <= self.status < 500 and self.status not in PASSING


@dataclass(slots=True)
class Client:
    """Asks the servers of one model; what it learns about them stays between calls."""

    servers: Servers
    key: Key
    fatal: ServerError | None = field(default=None, repr=False)

    @classmethod
    def open(cls, base_url: str | Sequence[str] | None = None, limits: Limits | None = None) -> "Client":
        """Of the servers at `base_url`, OPENAI_BASE_URL or OpenAI, with the key of the environment."""
        return cls(Servers.of(addresses(base_url), limits or Limits()), key())

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """The connections of a piece of work, in the running event loop."""
        limits = self.servers.each[0].throttle.limits
        self.servers.begin()
        self.fatal = None
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(None, sock_connect=limits.connect_seconds, sock_read=limits.read_seconds),
            headers=self.key.headers,
            connector=aiohttp.TCPConnector(limit=0),
            trace_configs=[_counting()],
        ) as session:
            yield session

    async def ask(
        self,
        session: aiohttp.ClientSession,
        slot: Slot,
        request: Request,
        read: Callable[[str], T | str],
        attempts: int | None = None,
    ) -> Answer[T]:
        """One request until it is answered, refused or given up; `slot` is held when it begins.

        `read` makes a value of the text of an answer, or says what is wrong with it. Raises ServerError for what would
        go wrong with every request.
        """
        limits = slot.server.throttle.limits
        calls, broken, refused_since = 0, 0, 0.0
        while True:
            calls += 1
            status, said, retry_after = await self._send(session, slot, request)
            self._raise_if_fatal(slot, status, said)
            value = read(said) if status == 200 else None
            if value is not None and not isinstance(value, str):
                slot.server.on_answer()
                slot.server.throttle.on_answer(slot.call)
                return Answer(value, "", status, said, calls, slot)
            fault = value if isinstance(value, str) else self._fault(status, said)
            if status == 429:
                slot.server.on_answer()
                full = slot.server.throttle.on_refusal(slot.call, retry_after)
                refused_since = refused_since or time.monotonic()
                given_up = attempts == 1 or time.monotonic() - refused_since > limits.patience_seconds
                wait = 0 if full else (retry_after or limits.backoff_seconds) * random.uniform(1, 1.5)
            elif status in (0, 200) or status >= 500 or status in PASSING:
                slot.server.on_break(fault, status, first=calls == 1)
                self._raise_if_dead(slot, fault)
                broken += not slot.server.out
                given_up = broken >= (attempts or limits.attempts)
                wait = max(retry_after or 0, limits.backoff_seconds * min(32, 2**broken) * random.uniform(0.5, 1))
            else:
                slot.server.on_answer()
                return Answer(None, fault, status, said, calls, slot)
            if given_up:
                return Answer(None, f"{fault}; given up after {calls} calls", status, said, calls, slot)
            await asyncio.sleep(wait)
            slot = await self.servers.slot()

    def request(self, request: Request, read: Callable[[str], T | str], attempts: int | None = None) -> Answer[T]:
        """One request by itself; `attempts` are the calls that may break, and 1 means one call, whatever comes.

        Raises ServerError as `ask` does.
        """

        async def alone() -> Answer[T]:
            async with self.session() as session:
                return await self.ask(session, await self.servers.slot(), request, read, attempts)

        with ThreadPoolExecutor(1) as thread:  # a notebook has a loop that runs already
            return thread.submit(asyncio.run, alone()).result()

    async def _send(
        self, session: aiohttp.ClientSession, slot: Slot, request: Request
    ) -> tuple[int, str, float | None]:
        """Status, text and what Retry-After says; status 0 with the name of the error where nothing was answered."""
        server = slot.server
        server.requests += 1
        data = None
        if request.form:
            data = aiohttp.FormData()
            for name, value in request.form.items():
                about = {"filename": "requests.jsonl", "content_type": "application/jsonl"}
                data.add_field(name, value, **(about if isinstance(value, bytes) else {}))
        try:
            async with session.request(
                request.method, server.url + request.path, json=request.json, data=data,
                trace_request_ctx=SimpleNamespace(server=server),
            ) as response:  # fmt: skip
                said = (await response.read()).decode("utf-8", "replace")
                return response.status, said, _seconds(response.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return 0, type(error).__name__, None
        finally:
            self.servers.leave(slot)

    def _fault(self, status: int, said: str) -> str:
        if status == 0:
            return f"no connection: {said}"
        if status < 500 and status not in PASSING:
            return f"the server refuses it ({status}): {self.message(said)}"
        return f"the server failed ({status}): {self.message(said)}"

    def message(self, said: str) -> str:
        """What the server says about a refusal, short, and without the key, which some servers repeat."""
        try:
            error = json.loads(said).get("error")
            told = error.get("message") if isinstance(error, dict) else error
        except (ValueError, AttributeError):
            told = None
        return self.key.hidden(" ".join(str(told or said).split()))[:200]

    def _raise_if_dead(self, slot: Slot, fault: str) -> None:
        if not self.servers.dead:
            return
        urls = " and ".join(server.url for server in self.servers.each)
        verb = "do" if len(self.servers.each) > 1 else "does"
        kind = OutOfReach if any(server.heard for server in self.servers.each) else ServerError
        self.fatal = kind(
            f"{urls} {verb} not answer: {fault}, {slot.server.broken:,} times",
            "Start the server or check --base-url; the same command goes on from here.",
        )
        raise self.fatal

    def _raise_if_fatal(self, slot: Slot, status: int, said: str) -> None:
        if status in FATAL or (status >= 400 and "insufficient_quota" in said):
            what = FATAL.get(status, "has no more quota for this key")
            self.fatal = ServerError(f"{slot.server.url} {what} ({status}): {self.message(said)}", HINT)
        if self.fatal:
            raise self.fatal


def _counting() -> aiohttp.TraceConfig:
    """Counts each connection that is made for a server."""

    async def made(_: Any, context: SimpleNamespace, __: Any) -> None:
        context.trace_request_ctx.server.connections += 1

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(made)
    return trace


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value or ""))
    except ValueError:
        return None
