"""Turns of a conversation as they stand in files, and as `Message`s: nothing that a turn carries is lost on the way.

Two forms are read and written: that of OpenAI and Hugging Face (`role`, `content`, `tool_calls`), and ShareGPT's as
LLaMA-Factory has it (`from`, `value`), where a call is a turn of its own, `function_call`, whose text is JSON.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from leaven.rows.example import Message, called, is_custom

Turn = dict[str, Any]
CALL = "function_call"
ROLES = {
    **{role: role for role in ("system", "developer", "user", "assistant", "tool")},
    **{"human": "user", "gpt": "assistant", CALL: "assistant", "observation": "tool", "function": "tool"},
}
SPEAKERS = {"user": "human", "assistant": "gpt", "tool": "observation"}
HALF = ("half a character", "a lone surrogate (\\ud800 to \\udfff)")
"""The reason, and what exactly, for a text that no file can hold."""
_OWN = ("role", "from", "content", "value")
_WIRE = ("role", "content", "name", "tool_calls", "tool_call_id")
_THOUGHT = re.compile(r"(\s*<think>.*?</think>\s*)?(.*)", re.DOTALL)


class RowFault(ValueError):
    """A row that can't be used: the reason in few words, and what exactly."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


def message(turn: Mapping[str, Any]) -> Message:
    """The message of a turn of either form. Raises RowFault.

    >>> message({"from": "function_call", "value": '{"name": "clock", "arguments": {}}'}).calls
    [{'type': 'function', 'function': {'name': 'clock', 'arguments': {}}}]
    """
    role = turn.get("role", turn.get("from"))
    if not isinstance(role, str) or role not in ROLES:
        raise RowFault("wrong role", f"{role!r}; known: {', '.join(ROLES)}")
    fields = {key: value for key, value in turn.items() if key not in _OWN and value is not None}
    _check_calls(fields)
    content = turn["content"] if "content" in turn else turn.get("value")
    if role == CALL:
        thought, calls = _calls(turn.get("value", content))
        content = turn["content"] if {"value", "content"} <= set(turn) else thought
        if CALL not in fields:
            fields.setdefault("tool_calls", calls)
    elif "content" in turn and fields and not content:  # null and "" beside a call are told from no content at all
        fields["content"] = content
    elif isinstance(content, list):
        fields["content"] = content
    if role == "function":  # OpenAI's older name for a tool
        fields["role"] = role
    text = _words(content, ROLES[role], "tool_calls" in fields or CALL in fields)
    further = json.dumps(fields, ensure_ascii=False) if fields else ""
    try:
        (text + further).encode()
    except UnicodeEncodeError:
        raise RowFault(*HALF) from None
    return Message(ROLES[role], text, further)


def openai(message: Message) -> Turn:
    """The turn in the form of OpenAI and Hugging Face: `role`, `content`, and whatever it carries besides."""
    fields = message.further
    turn = {"role": message.role, "content": message.content} | fields
    if fields and not message.content and "content" not in fields:
        del turn["content"]
    return turn


def sharegpt(message: Message) -> Turn:
    """The turn in ShareGPT's form; tool calls are the JSON that LLaMA-Factory reads."""
    fields = message.further
    if not message.calls:
        value = fields.pop("content", None) or message.content
        return {"from": fields.pop("role", None) or SPEAKERS.get(message.role, message.role), "value": value} | fields
    if "tool_calls" in fields and all(set(call) <= {"type", "function"} for call in message.calls):
        del fields["tool_calls"]
    fields.pop("content", None)
    thought = message.content if _THOUGHT.fullmatch(message.content)[2] == "" else ""  # type: ignore[index]
    words = {"content": message.content} if message.content and not thought else {}
    return {"from": CALL, "value": thought + call_text(message), **words, **fields}


def call_text(message: Message) -> str:
    """The tool calls of a turn as LLaMA-Factory reads them: the JSON of one, or of a list of several.

    It has no custom tools: a call of one has its `input` there, and is whole beside it, in `tool_calls`.
    """
    calls = [
        called(call)
        if is_custom(call)
        else {**called(call), "arguments": _arguments(called(call).get("arguments", {}))}
        for call in message.calls
    ]
    return json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)


def wire(messages: Sequence[Message]) -> list[Turn]:
    """The turns as chat servers take them: arguments as text, every call with an id, and nothing that they don't know.

    A tool's turn without an id answers the earliest call that is still open. OpenAI's older form, `function_call` and
    the role `function`, becomes the newer one.
    """
    turns, waiting = list[Turn](), list[str]()
    for place, message in enumerate(messages):
        turn = {key: value for key, value in openai(message).items() if key in _WIRE}
        if message.calls:
            turn["tool_calls"] = [_sent(call, f"call_{place}_{number}") for number, call in enumerate(message.calls)]
            waiting += [call["id"] for call in turn["tool_calls"]]
        if message.role == "tool":
            turn["role"] = "tool"
            turn.setdefault("tool_call_id", waiting[0] if waiting else f"call_{place}")
            waiting = [name for name in waiting if name != turn["tool_call_id"]]
        turns.append(turn)
    return turns


def _words(content: Any, role: str, has_calls: bool) -> str:
    """The text of a content: of its parts, those that are text."""
    if isinstance(content, str):
        return content
    if content is None and has_calls:
        return ""
    if isinstance(content, list) and content and all(isinstance(part, (str, Mapping)) for part in content):
        texts = [part if isinstance(part, str) else part.get("text") for part in content]
        return "\n".join(text for text in texts if isinstance(text, str))
    raise RowFault("not a text", f"the {role} turn is {type(content).__name__}")


def _calls(value: Any) -> tuple[str, list[Turn]]:
    """What is thought before the calls of a `function_call` turn, and the calls. Raises RowFault."""
    if not isinstance(value, str):
        raise RowFault("not a text", f"the {CALL} turn is {type(value).__name__}")
    thought, text = _THOUGHT.fullmatch(value).groups()  # type: ignore[union-attr]
    try:
        calls = json.loads(text)
    except (ValueError, RecursionError):
        raise RowFault("no tool call", f"the {CALL} turn is no JSON: {text[:80]}") from None
    calls = calls if isinstance(calls, list) else [calls]
    if not calls or not all(isinstance(call, Mapping) and isinstance(call.get("name"), str) for call in calls):
        raise RowFault("no tool call", f"the {CALL} turn names no function: {text[:80]}")
    return thought or "", [{"type": "function", "function": dict(call)} for call in calls]


def _check_calls(fields: Mapping[str, Any]) -> None:
    """Raises RowFault for tool calls that are no list of objects, or of which one names no function."""
    calls = fields.get("tool_calls", [])
    if not isinstance(calls, list):
        raise RowFault("no tool call", f"tool_calls is {type(calls).__name__}, no list")
    for call in [*calls, *([fields[CALL]] if CALL in fields else [])]:
        what = called(call) if isinstance(call, Mapping) else None
        if not isinstance(what, Mapping) or not isinstance(what.get("name"), str):
            raise RowFault(
                "no tool call", f"it names no function: {json.dumps(call, ensure_ascii=False, default=str)[:80]}"
            )


def _arguments(value: Any) -> Any:
    """Arguments as the object that they are, where they come as its JSON."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _sent(call: Turn, name: str) -> Turn:
    if is_custom(call):
        return {"id": call.get("id") or name, "type": "custom", "custom": call["custom"]}
    function = called(call)
    arguments = function.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": call.get("id") or name, "type": "function", "function": {"name": function["name"], "arguments": text}}
