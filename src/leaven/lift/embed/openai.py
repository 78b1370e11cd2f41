"""The embeddings endpoint of an OpenAI-compatible server: openai:MODEL.

The server and the key come from the environment, OPENAI_BASE_URL and OPENAI_API_KEY.
"""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from leaven.errors import UserError
from leaven.lift.vectors import Array
from leaven.llm.address import address, key

PER_TEXT = True
TRIES, WAIT, PATIENCE = 6, 1.0, 120.0
AGAIN = (408, 409, 429, 500, 502, 503, 504)


def load(model: str) -> Callable[[Sequence[str]], Array]:
    """The embedder of this model."""
    if not model:
        raise UserError("openai names no model", "Write openai:MODEL, for example openai:text-embedding-3-small.")
    server = address()
    if "OPENAI_API_KEY" not in os.environ:
        raise UserError("OPENAI_API_KEY is not set", "export OPENAI_API_KEY=… (any text, for a server without keys).")
    return lambda texts: _embed(server, model, texts)


def _embed(server: str, model: str, texts: Sequence[str]) -> Array:
    # The endpoint refuses an empty text; a blank stands for it.
    body = {"model": model, "input": [text or " " for text in texts], "encoding_format": "float"}
    found = _posted(f"{server}/embeddings", json.dumps(body).encode())
    try:
        rows = sorted(found["data"], key=lambda row: int(row["index"]))
        vectors = np.asarray([row["embedding"] for row in rows], np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{server} answered with something that holds no embeddings", "Check the model.") from error
    if len(vectors) != len(texts):
        raise UserError(f"{server} sent {len(vectors)} embeddings for {len(texts)} texts", "Check the model.")
    return vectors


def _posted(url: str, body: bytes) -> Any:
    """The answer as JSON; what may pass is tried again, waiting twice as long each time."""
    secret = key()
    headers = {"Content-Type": "application/json", **secret.headers}
    for tried in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=PATIENCE) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            why = secret.hidden(f"{error.code} {error.reason}: {error.read()[:300].decode('utf-8', 'replace')}")
            if error.code not in AGAIN or tried == TRIES:
                raise UserError(f"{url} refused: {why}", "Check the model, the key and the quota.") from error
        except (urllib.error.URLError, TimeoutError) as error:
            if tried == TRIES:
                raise UserError(f"{url} can't be reached: {error}", "Check OPENAI_BASE_URL.") from error
        time.sleep(WAIT * 2 ** (tried - 1))
    raise AssertionError("the last try either returned or raised")
