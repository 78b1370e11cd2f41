"""The shapes in which rows come: messages, alpaca, sharegpt, prompt-completion; told apart by their fields."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from leaven.errors import UserError, nearest
from leaven.types import Example, Message, Origin

Row = Mapping[str, Any]
FORMATS = ("messages", "alpaca", "sharegpt", "prompt-completion")
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
QUESTIONS = ("prompt", "question", "query", "instruction")
ANSWERS = ("completion", "response", "answer", "output", "chosen")


class RowFault(ValueError):
    """A row that can't be used; the message says why."""


def detect(rows: Sequence[Row]) -> str:
    """The format of most of these rows. Raises UserError when no format fits any of them."""
    found = Counter(name for row in rows if (name := _format_of(row)))
    if not found:
        fields = sorted({field for row in rows for field in row})
        raise UserError(
            f"no known format has the fields {', '.join(fields) or '(none)'}",
            f"Known: {', '.join(FORMATS)}. Rename the fields, or say --format.",
        )
    return found.most_common(1)[0][0]


def check(name: str) -> None:
    """Raises UserError for a format that doesn't exist."""
    if name not in ("auto", *FORMATS):
        raise UserError(f"there is no format {name!r}", nearest(name, ("auto", *FORMATS)))


def example(row: Row, name: str, origin: Origin) -> Example:
    """The row as an example; fields that the format doesn't need go into `meta`. Raises RowFault."""
    used, messages = _READERS[name](row)
    if not messages:
        raise RowFault("no messages")
    if not any(message.role == "user" and message.content.strip() for message in messages):
        raise RowFault("no question")
    return Example(messages, origin, {key: value for key, value in row.items() if key not in used})


def row(example: Example, name: str) -> dict[str, Any]:
    """The example in a format. Raises UserError when the format can't hold it."""
    check(name)
    if name == "messages":
        turns = [{"role": m.role, "content": m.content} for m in example.messages]
        return {"messages": turns, **example.meta}
    if name == "sharegpt":
        names = {"user": "human", "assistant": "gpt", "system": "system"}
        return {
            "conversations": [{"from": names[m.role], "value": m.content} for m in example.messages],
            **example.meta,
        }
    if [m.role for m in example.messages] not in (["user"], ["user", "assistant"]):
        raise UserError(
            f"the row {example.origin.place or example.id} is a conversation, which {name} can't hold",
            "Write it as messages or sharegpt.",
        )
    fields = ("instruction", "output") if name == "alpaca" else ("prompt", "completion")
    written: dict[str, Any] = {fields[0]: example.question}
    if name == "alpaca":
        written["input"] = ""
    if example.answer is not None:
        written[fields[1]] = example.answer
    return {**written, **example.meta}


def _format_of(row: Row) -> str | None:
    if "messages" in row:
        return "messages"
    if "conversations" in row:
        return "sharegpt"
    if "instruction" in row and ("input" in row or "output" in row):
        return "alpaca"
    return "prompt-completion" if any(field in row for field in QUESTIONS) else None


def _messages(row: Row) -> tuple[tuple[str, ...], tuple[Message, ...]]:
    return ("messages",), _turns(_field(row, "messages"), "role", "content")


def _sharegpt(row: Row) -> tuple[tuple[str, ...], tuple[Message, ...]]:
    return ("conversations",), _turns(_field(row, "conversations"), "from", "value")


def _alpaca(row: Row) -> tuple[tuple[str, ...], tuple[Message, ...]]:
    instruction, extra = _text(row, "instruction"), row.get("input") or ""
    if not isinstance(extra, str):
        raise RowFault("the field 'input' is not a text")
    question = f"{instruction}\n\n{extra}" if extra.strip() else instruction
    return ("instruction", "input", "output"), _single(question, row, "output")


def _prompt_completion(row: Row) -> tuple[tuple[str, ...], tuple[Message, ...]]:
    asked = next((field for field in QUESTIONS if field in row), None)
    if asked is None:
        raise RowFault(f"none of the fields {', '.join(QUESTIONS)}")
    answer = next((field for field in ANSWERS if field in row), "")
    if isinstance(row[asked], list):
        turns = _turns(row[asked], "role", "content")
        done = row.get(answer)
        return (asked, answer), turns + (_turns(done, "role", "content") if isinstance(done, list) else ())
    return (asked, answer), _single(_text(row, asked), row, answer)


def _single(question: str, row: Row, answer: str) -> tuple[Message, ...]:
    asked = Message("user", question)
    if row.get(answer) in (None, ""):
        return (asked,)
    return (asked, Message("assistant", _text(row, answer)))


def _turns(value: Any, role: str, content: str) -> tuple[Message, ...]:
    if isinstance(value, str):  # a cell of a CSV file
        try:
            value = json.loads(value)
        except ValueError:
            raise RowFault("the turns are not a list") from None
    if not isinstance(value, list):
        raise RowFault("the turns are not a list")
    return tuple(_turn(turn, role, content) for turn in value)


def _turn(turn: Any, role: str, content: str) -> Message:
    if not isinstance(turn, Mapping):
        raise RowFault("a turn is not an object")
    who, text = turn.get(role), turn.get(content)
    if not isinstance(who, str) or who not in ROLES:
        raise RowFault(f"a turn has the {role} {who!r}; known: {', '.join(ROLES)}")
    if not isinstance(text, str):
        raise RowFault(f"the {content} of a turn is not a text")
    return Message(ROLES[who], text)


def _field(row: Row, name: str) -> Any:
    if name not in row:
        raise RowFault(f"no field {name!r}")
    return row[name]


def _text(row: Row, name: str) -> str:
    value = _field(row, name)
    if not isinstance(value, str):
        raise RowFault(f"the field {name!r} is not a text")
    return value


_READERS: dict[str, Callable[[Row], tuple[tuple[str, ...], tuple[Message, ...]]]] = {
    "messages": _messages,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "prompt-completion": _prompt_completion,
}
