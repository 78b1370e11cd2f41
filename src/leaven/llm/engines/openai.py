"""Any server that speaks Chat Completions: OpenAI, vLLM, llama.cpp, Ollama, `transformers serve`. Plain aiohttp."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import aiohttp

from leaven.llm.address import DEFAULT_URL
from leaven.llm.client import Client, Request, ServerError
from leaven.llm.dialect import Dialect, Form
from leaven.llm.protocol import Reply, Sampling, refuse_empty
from leaven.llm.servers import Slot
from leaven.llm.stream import gather, listen
from leaven.llm.throttle import Limits
from leaven.rows.example import Prompt

__all__ = ["OpenAI", "ServerError", "read_completion"]
PATH = "/chat/completions"


@dataclass(frozen=True, slots=True)
class OpenAI:
    """The engine of a model behind one address or several; the key comes from OPENAI_API_KEY."""

    model: str
    client: Client
    dialect: Dialect = field(default_factory=Dialect)
    takes_schema: bool = True

    @classmethod
    def open(cls, model: str, base_url: str | Sequence[str] | None = None, limits: Limits | None = None) -> "OpenAI":
        """The engine of `openai:MODEL`, at `base_url`, OPENAI_BASE_URL or OpenAI. Raises UserError for a bad URL."""
        return cls(model, Client.open(base_url, limits))

    @property
    def name(self) -> str:
        """What origins and cache keys call the engine: of several addresses the first, so that more may join it."""
        url = self.client.servers.each[0].url
        return f"openai:{self.model}" if url == DEFAULT_URL else f"openai:{self.model}@{url}"

    def body(self, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
        """The JSON that asks for a reply, as far as it is known what the model takes."""
        return self.dialect.form(sampling).body(self.model, prompt, sampling)

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Replies as they arrive. Raises ServerError when no server is left, or one refuses everything.

        The calls run in a thread of their own; when the caller stops listening, what is under way is cancelled.
        """
        yield from listen(self._answered(refuse_empty(prompts, self.name), sampling))

    def sentences(self) -> list[str]:
        """What the end of a run says: what each server was asked, and how it went."""
        return self.client.servers.sentences()

    def count_anew(self) -> None:
        """Count requests from here on; what was learnt stays."""
        for server in self.client.servers.each:
            server.count_anew()

    async def _answered(self, prompts: Iterable[Prompt], sampling: Sampling) -> AsyncIterator[tuple[int, Reply]]:
        async with self.client.session() as session:
            async for numbered in gather(partial(self._reply, session, sampling), prompts, self.client.servers):
                yield numbered

    async def _reply(self, session: aiohttp.ClientSession, sampling: Sampling, slot: Slot, prompt: Prompt) -> Reply:
        """The reply to one prompt, put otherwise as often as there is another way and the server refuses it."""
        form, refusals, calls = self.dialect.form(sampling), list[Form](), 0
        while True:
            request = Request(PATH, form.body(self.model, prompt, sampling))
            answer = await self.client.ask(session, slot, request, read_completion)
            calls += answer.calls
            if reply := answer.value:
                answer.slot.server.throttle.on_tokens(reply.prompt_tokens + reply.completion_tokens)
                self.dialect.learn(form, refusals, bool(sampling.schema))
                return replace(reply, attempts=calls)
            other = self.dialect.other(form, answer.said) if answer.refused else None
            if other is None:
                return Reply(None, answer.fault, attempts=calls)
            refusals.append(form)
            form, slot = other, await self.client.servers.slot()


def read_completion(text: str) -> Reply | str:
    """The reply in the JSON of a chat completion, or what is wrong with it."""
    try:
        body = json.loads(text)
        choice = body["choices"][0]
        message, usage = choice["message"], body.get("usage") or {}
        tools = message.get("tool_calls") or []
        content = tools[0]["function"]["arguments"] if tools else message.get("content")
        came, went = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return f"the answer is no chat completion: {type(error).__name__}"
    finish = choice.get("finish_reason")
    if content is None:
        return Reply(None, f"no text (finish_reason {finish})", finish, came, went)
    # Half a character can be written in JSON, but in no file.
    whole = str(content).encode("utf-8", "replace").decode()
    return Reply(whole, None, finish, came, went)
