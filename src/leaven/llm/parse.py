"""Replies as values: the engine is held to a schema where it can be, asked for it where not, and asked again once."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from leaven.llm.prompts.render import render
from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.rows.example import Message, Prompt
from leaven.task.formats._objects import extract

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """The value in a reply; or None, with the reason and the raw reply. `asked` counts the questions: 1 or 2."""

    value: T | None
    reply: Reply
    error: str | None = None
    asked: int = 1


def structured(
    llm: LLM, prompts: Sequence[Prompt], schema: type[T], sampling: Sampling
) -> Iterator[tuple[int, Parsed[T]]]:
    """Every prompt's reply as a `schema`; what can't be read is asked for once more, shown what was wrong."""
    text = json.dumps(schema.model_json_schema(), ensure_ascii=False)
    asked = prompts if llm.takes_schema else [with_schema(prompt, text) for prompt in prompts]
    held = replace(sampling, schema=text)
    again: list[tuple[int, Parsed[T]]] = []
    for index, reply in llm.replies(asked, held):
        parsed = read(reply, schema)
        if parsed.error is None or reply.text is None:
            yield index, parsed
        else:
            again.append((index, parsed))
    repairs = [_repair(asked[index], parsed) for index, parsed in again]
    for number, reply in llm.replies(repairs, replace(held, draws=())) if repairs else ():
        index, first = again[number]
        second = replace(read(reply, schema), asked=2)
        # A second failure keeps the first reply, which answered the question itself.
        yield index, second if second.error is None else replace(first, asked=2)


def read(reply: Reply, schema: type[T]) -> Parsed[T]:
    """The first object of a reply that fits: in strict JSON, as a Python literal, or repaired."""
    if reply.text is None:
        return Parsed(None, reply, reply.error)
    fault = "cut at the token limit" if reply.truncated else "no JSON object"
    for number, value in enumerate(_objects(reply.text)):
        try:
            return Parsed(schema.model_validate(value), reply)
        except ValidationError as error:
            first = error.errors()[0]
            if number == 0:
                fault = f"{'.'.join(map(str, first['loc'])) or 'object'}: {first['msg']}"
    return Parsed(None, reply, fault)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The objects that stand one after another in a text, whatever is said between them."""
    found = extract(text)
    while found.text:
        if found.value is not None:
            yield dict(found.value)
        text = text[text.index(found.text) + len(found.text) :]
        found = extract(text)


def with_schema(prompt: Prompt, schema: str) -> Prompt:
    """The prompt, with the schema that its reply must fit told at its end."""
    last = prompt[-1]
    return (*prompt[:-1], Message(last.role, f"{last.content}\n\n{render('schema', schema=schema)}"))


def _repair(prompt: Prompt, parsed: Parsed[T]) -> Prompt:
    said = Message("assistant", parsed.reply.text or "")
    return (*prompt, said, Message("user", render("repair", error=parsed.error)))
