"""The few values that every step speaks in: messages, examples with their origin, drops, scores."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

TRUNCATED = "truncated"
"""The field of a row whose answer was cut at a number of tokens."""


class Message(NamedTuple):
    """One turn of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


Prompt = tuple[Message, ...]
"""Turns that wait for an answer: the last one is not the assistant's."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row comes from: the step that made it, and all that the step needed to make it again."""

    step: str
    place: str | None = None
    parents: tuple[str, ...] = ()
    model: str | None = None
    prompt: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation, its origin, and whatever fields its row carried besides (`meta`)."""

    messages: tuple[Message, ...]
    origin: Origin
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that depend on the messages alone."""
        text = json.dumps([list(message) for message in self.messages], ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @property
    def prompt(self) -> Prompt:
        """The turns before the final answer (all of them, when the row has no answer)."""
        return self.messages[:-1] if self.answer is not None else self.messages

    @property
    def truncated(self) -> bool:
        """Whether the answer was cut: it has no end that could be learnt. A CSV file says "true"."""
        return str(self.meta.get(TRUNCATED, "")).lower() == "true"

    @property
    def question(self) -> str:
        """The last thing that the user said."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def answer(self) -> str | None:
        """The final assistant turn, or None for a bare query."""
        last = self.messages[-1] if self.messages else None
        return last.content if last is not None and last.role == "assistant" else None


class Drop(NamedTuple):
    """A row that a step did not keep, with the reason."""

    example: Example
    reason: str
    score: float | None = None
    detail: str = ""


class Measure(NamedTuple):
    """What a metric or probe yields: `metric` by its short name, `item` the id of the row ("" for the whole set)."""

    metric: str
    item: str
    value: float


class Score(NamedTuple):
    """One measured value, in long form: the only thing that the report and the statistics read.

    `metric` is `TEST/NAME`, for example `negation/obeyed`; `item` is the id of the test row, or "" for a
    value of the whole cell. NaN means that the value is not defined for this item.
    """

    method: str
    size: int
    seed: int
    metric: str
    item: str
    value: float


def user(text: str) -> Prompt:
    """A prompt of a single user turn."""
    return (Message("user", text),)


def answered(row: Example, answer: str, truncated: bool = False) -> Example:
    """The row with this answer, in place of its own if it has one."""
    meta = {name: value for name, value in row.meta.items() if name != TRUNCATED}
    messages = (*row.prompt, Message("assistant", answer))
    return replace(row, messages=messages, meta={**meta, TRUNCATED: True} if truncated else meta)


def pair(question: str, answer: str, origin: Origin, meta: Mapping[str, Any] | None = None) -> Example:
    """The commonest example: one question, one answer."""
    return Example((Message("user", question), Message("assistant", answer)), origin, meta or {})
