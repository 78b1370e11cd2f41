"""How a model takes requests: servers that speak Chat Completions differ, and refuse what they do not know (400).

A refused request is put otherwise and asked again. What is then taken otherwise is learnt, for all that follow; what
is refused however it is put was the prompt's own fault, and nothing is learnt from it.
"""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from leaven.llm.parse import with_schema
from leaven.llm.protocol import Sampling
from leaven.rows.example import Prompt
from leaven.rows.turns import wire

logger = logging.getLogger(__name__)

WAYS = ("json_schema", "tool", "plain")
"""How a server can be held to a schema, the best first; plain: it is told of it."""
NEWER = "max_completion_tokens"
TOO_LONG = re.compile(r"context[ _](length|window|size)|too long|reduce the length", re.IGNORECASE)
"""What servers say of a prompt that is too long, and of no other."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way of putting a request: how it holds to the schema, what it calls the longest reply, what it leaves out."""

    way: str
    limit: str = "max_tokens"
    left_out: frozenset[str] = frozenset()

    def body(self, model: str, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
        """The JSON of a chat completion."""
        turns = with_schema(prompt, sampling.schema) if sampling.schema and self.way == "plain" else prompt
        settings = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            self.limit: sampling.max_new_tokens,
        }
        body: dict[str, Any] = {
            "model": model,
            "messages": wire(turns),
            **{name: value for name, value in settings.items() if name not in self.left_out},
        }
        if not sampling.schema or self.way == "plain":
            return body
        schema = json.loads(sampling.schema)
        if self.way == "json_schema":
            reply = {"name": "reply", "schema": schema}
            return body | {"response_format": {"type": "json_schema", "json_schema": reply}}
        tool = {"name": "reply", "description": "Give the reply.", "parameters": schema}
        choice = {"type": "function", "function": {"name": "reply"}}
        return body | {"tools": [{"type": "function", "function": tool}], "tool_choice": choice}


@dataclass(slots=True)
class Dialect:
    """What was learnt about a model so far."""

    limit: str = "max_tokens"
    left_out: frozenset[str] = frozenset()
    taken: set[str] = field(default_factory=set)
    """Ways in which it took a schema; none of those is ever given up for one prompt's sake."""
    refused: set[str] = field(default_factory=set)
    """Ways in which it refused a prompt that it took in another."""

    @property
    def ways(self) -> list[str]:
        """How it can be held to a schema, as far as is known, the best first."""
        return [way for way in WAYS if way in self.taken or way not in self.refused]

    def form(self, sampling: Sampling) -> Form:
        """How a request is put first."""
        return Form(self.ways[0] if sampling.schema else "plain", self.limit, self.left_out)

    def other(self, form: Form, message: str) -> Form | None:
        """Another way of putting what was refused so, by what the server said; None: the prompt itself is refused."""
        if TOO_LONG.search(message):
            return None
        if NEWER in message and form.limit != NEWER:
            return replace(form, limit=NEWER)
        for setting in ("temperature", "top_p", form.limit):
            if setting in message and setting not in form.left_out:
                return replace(form, left_out=form.left_out | {setting})
        ways = [way for way in self.ways if WAYS.index(way) > WAYS.index(form.way)]
        return replace(form, way=ways[0]) if ways else None

    def learn(self, form: Form, refusals: Sequence[Form], schema: bool) -> None:
        """A request was taken in this form, after the server refused it in those of `refusals`."""
        if schema:
            self.taken.add(form.way)
            for way in {other.way for other in refusals} - {form.way} - self.refused:
                logger.warning("the server does not take a schema as %s", way)
            self.refused |= {other.way for other in refusals} - {form.way}
        for setting in sorted(form.left_out - self.left_out):
            logger.warning("the server does not take %s: its own default is used", setting)
        self.left_out |= form.left_out
        if form.limit != self.limit:
            logger.info("the server calls the longest reply %s", form.limit)
            self.limit = form.limit
