"""Any server that speaks Chat Completions: OpenAI, vLLM, llama.cpp, Ollama, `transformers serve`. Plain aiohttp."""

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import aiohttp

from leaven.errors import UserError
from leaven.llm.address import DEFAULT_URL, Key, address, key
from leaven.llm.parse import with_schema
from leaven.llm.protocol import Reply, Sampling, spoken
from leaven.llm.stream import gathered, listen
from leaven.llm.throttle import Limits, Throttle
from leaven.rows.example import Prompt

logger = logging.getLogger(__name__)

REFUSED = (400, 422)
FATAL = {401: "refuses the key", 403: "refuses the key", 404: "has no such model or address"}
DEAD_AFTER = 8
"""Calls in a row, over all prompts, that find no server at all."""
AGAIN = "again"
NEWER = "max_completion_tokens"
LEFT_OUT = ("temperature", "top_p")


class ServerError(UserError):
    """The server can't be used; what was answered so far has been yielded, and the same command goes on."""


@dataclass(slots=True)
class _Server:
    """What is learnt about a server while it is used."""

    throttle: Throttle
    ways: list[str] = field(default_factory=lambda: ["json_schema", "tool", "plain"])
    """How it can be held to a schema, the best first; one that it refuses is struck off."""
    limit: str = "max_tokens"
    """What it calls the longest reply; newer models of OpenAI's know only max_completion_tokens."""
    left_out: set[str] = field(default_factory=set)
    """Settings of the sampling that it refuses, and that are not sent any more."""
    broken_in_a_row: int = 0
    last_heard: float | None = None
    fatal: ServerError | None = None

    def learn(self, body: Mapping[str, Any], text: str) -> bool:
        """Whether a refusal is about a setting that can be said otherwise, or left out; then it is from now on."""
        if NEWER in text and NEWER not in body:
            self.limit = NEWER
            return True
        for setting in LEFT_OUT:
            if setting in body and setting in text:
                if setting not in self.left_out:
                    logger.warning("the server does not take %s: its own default is used", setting)
                self.left_out.add(setting)
                return True
        return False

    def strike(self, ways: Iterable[str]) -> None:
        """Ask no more in these ways: a prompt that was refused so was taken in another."""
        for way in ways:
            if way in self.ways:
                logger.info("the server does not take a %s", way)
                self.ways.remove(way)

    def heard(self) -> None:
        """It said something."""
        self.broken_in_a_row, self.last_heard = 0, time.monotonic()

    @property
    def out_of_reach(self) -> bool:
        """Whether so many calls in a row have broken that it is the server's fault, and no prompt's."""
        return self.broken_in_a_row >= DEAD_AFTER

    @property
    def dead(self) -> bool:
        """Whether it never answered, or not for a long time."""
        silent = self.last_heard is None or time.monotonic() - self.last_heard > self.throttle.limits.dead_seconds
        return self.out_of_reach and silent


@dataclass(frozen=True, slots=True)
class OpenAI:
    """The engine of a model behind a URL; the key comes from OPENAI_API_KEY and goes into the request alone."""

    model: str
    base_url: str
    key: Key
    server: _Server
    takes_schema: bool = True

    @classmethod
    def open(cls, model: str, base_url: str | None = None, limits: Limits | None = None) -> "OpenAI":
        """The engine of `openai:MODEL`, at `base_url`, OPENAI_BASE_URL or OpenAI. Raises UserError for a bad URL."""
        return cls(model, address(base_url), key(), _Server(Throttle(limits or Limits())))

    @property
    def name(self) -> str:
        """What origins and cache keys call the engine."""
        return f"openai:{self.model}" if self.base_url == DEFAULT_URL else f"openai:{self.model}@{self.base_url}"

    @property
    def way(self) -> str:
        """How the server can be held to a schema, as far as is known."""
        return self.server.ways[0]

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Replies as they arrive. Raises ServerError when the server is dead or refuses everything.

        The calls run in a thread of their own; when the caller stops listening, what is under way is cancelled.
        """
        yield from listen(self._answered(spoken(prompts, self.name), sampling))

    async def _answered(self, prompts: Iterable[Prompt], sampling: Sampling) -> AsyncIterator[tuple[int, Reply]]:
        throttle = self.server.throttle
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=throttle.limits.connect_seconds, sock_read=throttle.limits.read_seconds
        )
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, headers=self.key.headers, connector=connector) as session:
            throttle.begin()
            self.server.fatal = None
            async for found in gathered(partial(self._reply, session, sampling), prompts, throttle):
                yield found

    async def _reply(
        self, session: aiohttp.ClientSession, sampling: Sampling, index: int, prompt: Prompt
    ) -> tuple[int, Reply]:
        """One prompt until it is answered or given up; a place in the throttle is held when it begins."""
        server, throttle = self.server, self.server.throttle
        calls, broken, refused_since, refused_ways = 0, 0, 0.0, list[str]()
        while True:
            calls, way = calls + 1, next(way for way in server.ways if way not in refused_ways)
            body = request_body(self.model, prompt, sampling, way, server.limit, server.left_out)
            try:
                status, headers, text = await self._call(session, body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                status, headers, text = 0, {}, type(error).__name__
            finally:
                throttle.leave()
            verdict: Reply | str = AGAIN
            if status in REFUSED and not server.learn(body, text):
                # Whether the prompt is at fault or the schema, the next way will tell.
                verdict = self._read(status, text, last=way == "plain" or not sampling.schema)
                refused_ways.append(way)
            elif status not in REFUSED:
                verdict = self._read(status, text)
            if isinstance(verdict, Reply):
                if verdict.text is not None:
                    server.strike(refused_ways)
                throttle.answered(verdict.prompt_tokens + verdict.completion_tokens)
                return index, replace(verdict, attempts=calls)
            if status == 429:
                wait = _retry_after(headers)
                throttle.slow_down(wait)
                refused_since = refused_since or time.monotonic()
                if time.monotonic() - refused_since > throttle.limits.patience_seconds:
                    return index, Reply(None, f"{verdict}; given up after {calls} calls", attempts=calls)
                await asyncio.sleep((wait or throttle.limits.backoff_seconds) * random.uniform(1, 1.5))
            elif verdict != AGAIN:
                broken += 0 if server.out_of_reach else 1
                if broken >= throttle.limits.attempts:
                    return index, Reply(None, f"{verdict}; given up after {calls} calls", attempts=calls)
                await asyncio.sleep(throttle.limits.backoff_seconds * min(16, 2**broken) * random.uniform(0.5, 1))
            await throttle.enter()

    async def _call(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> tuple[int, dict[str, str], str]:
        async with session.post(f"{self.base_url}/chat/completions", json=body) as response:
            return response.status, dict(response.headers), await response.text(errors="replace")

    def _read(self, status: int, text: str, last: bool = True) -> Reply | str:
        """A reply (an answer, or a fault that another call won't mend), or why to call again.

        A refusal is final where no other way of asking is left (`last`).

        Raises ServerError for what would go wrong with every prompt.
        """
        server = self.server
        if server.fatal:
            raise server.fatal
        if status == 0:
            server.broken_in_a_row += 1
            if server.dead:
                server.fatal = ServerError(
                    f"{self.base_url} does not answer: {text}, {server.broken_in_a_row} times in a row",
                    "Start the server or check --base-url; the same command goes on from here.",
                )
                raise server.fatal
            return f"no connection: {text}"
        server.heard()
        if status == 200:
            return read_completion(text)
        said = self.key.hidden(_message(text))
        if status in FATAL or "insufficient_quota" in text:
            what = FATAL.get(status, "has no more quota for this key")
            server.fatal = ServerError(
                f"{self.base_url} {what} ({status}): {said}", "Check OPENAI_API_KEY, --base-url and the model's name."
            )
            raise server.fatal
        if status in REFUSED and not last:
            return AGAIN
        if status < 500 and status not in (408, 409, 425, 429):
            return Reply(None, f"the server refuses it ({status}): {said}")
        return f"the server failed ({status}): {said}"


def read_completion(text: str) -> Reply | str:
    """The reply in the JSON of a chat completion, or what is wrong with it."""
    try:
        found = json.loads(text)
        choice = found["choices"][0]
        message, usage = choice["message"], found.get("usage") or {}
        tools = message.get("tool_calls") or []
        said = tools[0]["function"]["arguments"] if tools else message.get("content")
        came, went = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return f"the answer is no chat completion: {type(error).__name__}"
    finish = choice.get("finish_reason")
    if said is None:
        return Reply(None, f"no text (finish_reason {finish})", finish, came, went)
    # Half a character can be written in JSON, but in no file.
    whole = str(said).encode("utf-8", "replace").decode()
    return Reply(whole, None, finish, came, went)


def request_body(
    model: str,
    prompt: Prompt,
    sampling: Sampling,
    way: str,
    limit: str = "max_tokens",
    left_out: Collection[str] = (),
) -> dict[str, Any]:
    """The JSON of a chat completion; `way` is how it is held to the schema: json_schema, tool or plain (told of it)."""
    told = with_schema(prompt, sampling.schema) if sampling.schema and way == "plain" else prompt
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in told],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        limit: sampling.max_new_tokens,
    }
    body = {name: value for name, value in body.items() if name not in left_out}
    if not sampling.schema or way == "plain":
        return body
    schema = json.loads(sampling.schema)
    if way == "json_schema":
        return body | {"response_format": {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}}
    tool = {"type": "function", "function": {"name": "reply", "description": "Give the reply.", "parameters": schema}}
    return body | {"tools": [tool], "tool_choice": {"type": "function", "function": {"name": "reply"}}}


def _message(text: str) -> str:
    """What the server says about a refusal, short."""
    try:
        error = json.loads(text).get("error")
        said = error.get("message") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        said = text
    return " ".join(str(said).split())[:200]


def _retry_after(headers: dict[str, str]) -> float | None:
    value = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        return None
