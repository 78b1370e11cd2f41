"""The embeddings endpoint of OpenAI-compatible servers: openai:MODEL.

The servers and the key come from the environment, OPENAI_BASE_URL and OPENAI_API_KEY. They are asked by the client that
asks for chat too: the same throttle, the same patience, and a key that goes to no other host.
"""

import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from leaven.errors import UserError
from leaven.lift.vectors import Array

if TYPE_CHECKING:
    from leaven.llm.client import Client
    from leaven.llm.servers import Place

PER_TEXT = True
PACKAGES = ("aiohttp",)
TEXTS = 64
"""Texts in one request."""


def load(model: str) -> Callable[[Sequence[str]], Array]:
    """The embedder of this model."""
    if not model:
        raise UserError("openai names no model", "Write openai:MODEL, for example openai:text-embedding-3-small.")
    from leaven.llm.client import Client

    client = Client.open()
    if "OPENAI_API_KEY" not in os.environ:
        raise UserError("OPENAI_API_KEY is not set", "export OPENAI_API_KEY=… (any text, for a server without keys).")
    return partial(_embed, client, model)


def _embed(client: "Client", model: str, texts: Sequence[str]) -> Array:
    from leaven.llm.stream import listen

    parts = [texts[start : start + TEXTS] for start in range(0, len(texts), TEXTS)]
    tables = dict(listen(_tables(client, model, parts)))
    return np.concatenate([tables[number] for number in range(len(parts))])


async def _tables(client: "Client", model: str, parts: Sequence[Sequence[str]]) -> AsyncIterator[tuple[int, Array]]:
    """The vectors of each part with its number, as they come. Raises UserError at the first that can't be had."""
    from leaven.llm.client import Request
    from leaven.llm.stream import gathered

    async with client.session() as session:

        async def table(place: "Place", texts: Sequence[str]) -> Array:
            # The endpoint refuses an empty text; a blank stands for it.
            body = {"model": model, "input": [text or " " for text in texts], "encoding_format": "float"}
            answer = await client.ask(session, place, Request("/embeddings", body), partial(read_vectors, len(texts)))
            if answer.value is None:
                raise UserError(f"{answer.place.server.url}/embeddings: {answer.fault}", "Check the model and the key.")
            return answer.value

        async for found in gathered(table, parts, client.servers):
            yield found


def read_vectors(count: int, text: str) -> Array | str:
    """The vectors, (texts, width), in the JSON of an answer to `count` texts, or what is wrong with it."""
    try:
        rows = sorted(json.loads(text)["data"], key=lambda row: int(row["index"]))
        vectors = np.asarray([row["embedding"] for row in rows], np.float32)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"the answer holds no embeddings: {type(error).__name__}"
    if vectors.ndim != 2 or len(vectors) != count:
        return f"the answer holds {len(vectors)} embeddings for {count} texts"
    return vectors
