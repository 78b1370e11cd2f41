"""The embeddings endpoint of OpenAI-compatible servers: openai:MODEL.

The servers and the key come from the environment, OPENAI_BASE_URL and OPENAI_API_KEY. They are asked by the client that
asks for chat too: the same throttle, the same patience, the same limits on what is spent, and a key that goes to no
other host.
"""

import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from leaven.errors import UserError
from leaven.lift.vectors import Array

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from leaven.llm.budget import Spend
    from leaven.llm.client import Client
    from leaven.llm.servers import Slot

PER_TEXT = True
PAID = True
"""Whether its texts are paid for, so that what was spent, and its limits, are handed to `load`."""
PACKAGES = ("aiohttp",)
TEXTS = 64
"""Texts in one request."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """The embedder of a model behind a server, and what it spends."""

    model: str
    client: "Client"
    spend: "Spend"

    def __call__(self, texts: Sequence[str]) -> Array:
        """Vectors, (texts, width). Raises UserError where one can't be had, BudgetReached where no more may be asked.

        The limits are looked at before each of these calls, so that no vector is paid for and lost.
        """
        from leaven.llm.budget import BudgetReached
        from leaven.llm.stream import listen

        if limit := self.spend.reached():
            raise BudgetReached(f"the budget is used up by embeddings: {limit}. {self.spend.sentence()}")
        parts = [texts[start : start + TEXTS] for start in range(0, len(texts), TEXTS)]
        tables = dict(listen(self._tables(parts)))
        return np.concatenate([tables[number] for number in range(len(parts))])

    def sentence(self) -> str:
        """What the end of the embedding says."""
        return " ".join([self.spend.sentence(), *self.client.servers.sentences()])

    async def _tables(self, parts: Sequence[Sequence[str]]) -> AsyncIterator[tuple[int, Array]]:
        """The vectors of each part with its number, as they come."""
        from leaven.llm.stream import gather

        async with self.client.session() as session:
            ask = partial(self._table, session)
            async for numbered in gather(ask, parts, self.client.servers):
                yield numbered

    async def _table(self, session: "ClientSession", slot: "Slot", texts: Sequence[str]) -> Array:
        from leaven.llm.client import Request

        # The endpoint refuses an empty text; a blank stands for it.
        body = {"model": self.model, "input": [text or " " for text in texts], "encoding_format": "float"}
        answer = await self.client.ask(session, slot, Request("/embeddings", body), partial(read_vectors, len(texts)))
        self.spend.requests += answer.calls
        if answer.value is None:
            raise UserError(f"{answer.slot.server.url}/embeddings: {answer.fault}", "Check the model and the key.")
        vectors, tokens = answer.value
        self.spend.prompt_tokens += tokens
        answer.slot.server.throttle.on_tokens(tokens)
        return vectors


def name(model: str) -> str:
    """What the store knows its vectors by: another server may have another model under the same name."""
    from leaven.llm.address import DEFAULT_URL, addresses

    url = addresses()[0]
    return f"openai:{model}" if url == DEFAULT_URL else f"openai:{model}@{url}"


def load(model: str, spend: "Spend | None" = None) -> Embedder:
    """The embedder of this model, which adds to `spend` and obeys its limits.

    Raises UserError where the model or the key is not named.
    """
    if not model:
        raise UserError("openai names no model", "Write openai:MODEL, for example openai:text-embedding-3-small.")
    from leaven.llm.budget import Spend, price
    from leaven.llm.client import Client

    embedder = Embedder(model, Client.open(), Spend(price(model)) if spend is None else spend)
    if "OPENAI_API_KEY" not in os.environ:
        raise UserError("OPENAI_API_KEY is not set", "export OPENAI_API_KEY=… (any text, for a server without keys).")
    return embedder


def read_vectors(count: int, text: str) -> tuple[Array, int] | str:
    """The vectors, (texts, width), and their tokens in the JSON of an answer to `count` texts, or what is wrong."""
    try:
        answer = json.loads(text)
        rows = sorted(answer["data"], key=lambda row: int(row["index"]))
        tokens = int((answer.get("usage") or {}).get("prompt_tokens") or 0)
        vectors = np.asarray([row["embedding"] for row in rows], np.float32)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"the answer holds no embeddings: {type(error).__name__}"
    if vectors.ndim != 2 or len(vectors) != count:
        return f"the answer holds {len(vectors)} embeddings for {count} texts"
    return vectors, tokens
