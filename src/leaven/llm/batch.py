"""The batch endpoint of an OpenAI-compatible server: slower, and at OpenAI for half the money.

Requests go up as a file, and the replies come down as one, within a day. A few prompts are asked at once before: what
the model does not take (`max_tokens`, a schema as `response_format`) is learnt from them, and not by a lost batch.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from leaven.errors import UserError
from leaven.llm.batch_endpoint import Endpoint
from leaven.llm.batch_queue import Queue
from leaven.llm.engines.openai import OpenAI
from leaven.llm.protocol import Reply, Sampling, refuse_empty
from leaven.llm.store import Store, draws_of, key
from leaven.rows.example import Prompt

FEW = 4
"""So many prompts are not worth a batch, and are asked at once: a budget's pilot among them."""
PROBES = 3
"""Prompts that are asked at once before a batch, at most: one that is answered is enough."""


@dataclass(frozen=True, slots=True)
class Batched:
    """An engine that asks `server` by batches, and remembers them in `store`; `every` are the seconds between looks.

    It stands inside `Stored(…, store)`, which forgets what waits in a batch when it stores the reply.
    """

    server: OpenAI
    store: Store
    every: float = 30.0
    takes_schema: bool = True
    known: set[bool] = field(default_factory=set)
    """Forms of requests (with a schema: True) that a prompt was answered in, so that a batch will be."""

    @property
    def name(self) -> str:
        """The server's own name: a reply is the same whichever way it was asked for."""
        return self.server.name

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Replies batch by batch. Raises ServerError when the server does not take a batch."""
        queries = list(refuse_empty(prompts, self.name))
        sampling = replace(sampling, draws=draws_of(queries, sampling))
        # A budget may end the prompts before their draws.
        keys = [
            key(self.name, prompt, sampling, draw).hex() for prompt, draw in zip(queries, sampling.draws, strict=False)
        ]
        places = {name: place for place, name in enumerate(keys)}

        def line(name: str) -> bytes:
            body = self.server.body(queries[places[name]], sampling)
            request = {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}
            return json.dumps(request).encode("ascii") + b"\n"  # no odd end of line that a server might split at

        queue = Queue(Endpoint.of(self.server.client), self.store, self.name, line)
        pending = queue.resume(keys)
        new = [place for place, name in enumerate(keys) if name not in pending]
        first = set[int]()
        for place, reply in self._at_once(new, queries, sampling):
            first.add(place)
            yield place, reply
        queue.add(keys[place] for place in new if place not in first)
        for name, reply in queue.replies(self.every):
            yield places[name], reply

    def _at_once(
        self, new: Sequence[int], queries: Sequence[Prompt], sampling: Sampling
    ) -> Iterator[tuple[int, Reply]]:
        """The replies to all, where they are few, else to the first that is answered and what was tried before it."""
        few, form = len(new) <= FEW, bool(sampling.schema)
        for place in new[: FEW if few else PROBES]:
            if form in self.known and not few:
                return
            one = replace(sampling, first=sampling.first + place, draws=(sampling.draws[place],))
            ((_, reply),) = self.server.replies([queries[place]], one)
            if reply.text is not None:
                self.known.add(form)
            yield place, reply


def of(server: object, store: Store | None) -> Batched:
    """The engine with batches. Raises UserError for an engine that has none, or without a store to remember them."""
    if not isinstance(server, OpenAI):
        raise UserError("--batch needs a server that takes batches", "For example --llm openai:MODEL.")
    if store is None:
        raise UserError("--batch needs a store, which remembers what is pending", "Leave out --store off.")
    return Batched(server, store)
