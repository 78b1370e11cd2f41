"""The few values that every step speaks in: messages, examples with their origin, drops, scores."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple

from leaven.errors import UserError

TRUNCATED = "truncated"
"""The field of a row whose answer was cut at a number of tokens."""


class Message(NamedTuple):
    """One turn of a conversation; `role` is system, developer, user, assistant or tool.

    `fields` is a JSON object, as text, of what the turn carries besides: tool calls, a name, its content where that
    is no text (parts, or null beside a call); "" where there is nothing.
    """

    role: str
    content: str
    fields: str = ""

    @property
    def further(self) -> dict[str, Any]:
        """The fields that it carries besides."""
        return json.loads(self.fields) if self.fields else {}

    @property
    def text(self) -> str:
        """What the turn says to a reader: its words, then its tool calls as JSON, a line for each."""
        calls = [json.dumps(called(call), ensure_ascii=False) for call in self.calls]
        return "\n".join([*([self.content] if self.content else []), *calls])

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Its tool calls, in the form of OpenAI; the call of the older form, `function_call`, is one of them."""
        fields = self.further
        older = fields.get("function_call")
        return fields.get("tool_calls") or ([{"type": "function", "function": older}] if older else [])

    @property
    def is_text(self) -> bool:
        """Whether its content is words alone, and no picture or the like."""
        parts = self.further.get("content") or ()
        return all(isinstance(part, str) or part.get("type") == "text" for part in parts)

    @property
    def key(self) -> list[str]:
        """What tells it from other turns: role, content, and its further fields where there are any."""
        return [self.role, self.content, *([self.fields] if self.fields else [])]


Prompt = tuple[Message, ...]
"""Turns that wait for an answer: the last one is not the assistant's."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row comes from: the step that made it, and all that the step needed to make it again.

    `text` is the row as it came, as JSON, with every blank of a JSON file; None for a row that was made.
    """

    step: str
    place: str | None = None
    parents: tuple[str, ...] = ()
    model: str | None = None
    prompt: str | None = None
    seed: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation, its origin, and whatever fields its row carried besides (`meta`)."""

    messages: tuple[Message, ...]
    origin: Origin
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that depend on the messages alone."""
        text = json.dumps([message.key for message in self.messages], ensure_ascii=False)
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
        """The final assistant turn, tool calls as JSON; None for a bare query."""
        last = self.messages[-1] if self.messages else None
        return last.text if last is not None and last.role == "assistant" else None

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer to train on: blanks are none."""
        return bool((self.answer or "").strip())

    @property
    def request(self) -> str:
        """All that the answer answers: the question, or every turn before it under its role where more was said."""
        return "\n".join(f"{turn.role}: {turn.text}" for turn in self.prompt) if len(self.prompt) > 1 else self.question

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The functions and custom tools that are offered in it, in the form of OpenAI, whichever it came in.

        Raises UserError where its field `tools` holds something else.
        """
        offered = self.meta.get("tools")
        try:
            listed = json.loads(offered or "[]") if isinstance(offered, str) else offered or []
            tools = [json.loads(one) if isinstance(one, str) else one for one in listed]
            return [_tool(one) for one in tools]
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            where = self.origin.place or self.id
            raise UserError(f"the tools of the row {where} are no list of functions", "Each has a name.") from error

    @property
    def uses_tools(self) -> bool:
        """Whether tools are offered or called in it, so that a text need not be what answers."""
        offered = self.meta.get("tools") not in (None, "", "[]", [])
        return offered or any(turn.role == "tool" or turn.calls for turn in self.messages)


def is_custom(tool: Mapping[str, Any]) -> bool:
    """Whether this is a custom tool of OpenAI, or a call of one: it takes a text (`input`), and no arguments."""
    return isinstance(tool.get("custom"), Mapping)


def custom_tools(messages: Iterable[Message], tools: Iterable[Mapping[str, Any]]) -> bool:
    """Whether custom tools are offered or called: who knows functions alone has no place for them."""
    return any(map(is_custom, chain(tools, *(turn.calls for turn in messages))))


def called(call: Mapping[str, Any]) -> Any:
    """What a tool call calls: a function by its `arguments`, or a custom tool by its `input`."""
    return call["custom"] if is_custom(call) else call.get("function") or call


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool in the form of OpenAI. Raises KeyError for one without a name."""
    if is_custom(tool):
        return {**tool, "custom": {**tool["custom"], "name": tool["custom"]["name"]}}
    function = tool.get("function") or tool
    return {**tool, "function": {**function, "name": function["name"]}} if function is not tool else {
        "type": "function", "function": {**tool, "name": tool["name"]}
    }  # fmt: skip


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
