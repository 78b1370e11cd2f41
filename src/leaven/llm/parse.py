"""Replies as values: the engine is held to a schema where it can be, asked for it where not, and asked again once."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from leaven.llm import thinking
from leaven.llm.prompts.render import render
from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.rows.example import Message, Prompt
from leaven.task.formats._objects import extract

T = TypeVar("T", bound=BaseModel)
_QUOTED = re.compile(r"^> ?(.*)", re.MULTILINE)
_BEFORE = re.compile(r"\s*(?:```\w*\s*)?")


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """The value in a reply; or None, with the reason and the raw reply. `attempts`: 2 where it was asked again."""

    value: T | None
    reply: Reply
    error: str | None = None
    attempts: int = 1


def structured(
    llm: LLM, prompts: Sequence[Prompt], schema: type[T], sampling: Sampling
) -> Iterator[tuple[int, Parsed[T]]]:
    """Every prompt's reply as a `schema`; what can't be read is asked for once more, shown what was wrong."""
    text = json.dumps(schema.model_json_schema(), ensure_ascii=False)
    questions = prompts if llm.takes_schema else [with_schema(prompt, text) for prompt in prompts]
    sampling = replace(sampling, schema=text)
    again: list[tuple[int, Parsed[T]]] = []
    for index, reply in llm.replies(questions, sampling):
        parsed = read(reply, schema, prompts[index])
        if parsed.error is None or reply.text is None:
            yield index, parsed
        else:
            again.append((index, parsed))
    repairs = [_repair(questions[index], parsed) for index, parsed in again]
    for number, reply in llm.replies(repairs, replace(sampling, draws=())) if repairs else ():
        index, first = again[number]
        second = replace(read(reply, schema, prompts[index]), attempts=2)
        # A second failure keeps the first reply, which answered the question itself.
        yield index, second if second.error is None else replace(first, attempts=2)


def read(reply: Reply, schema: type[T], question: Prompt = ()) -> Parsed[T]:
    """The object of a reply that has the schema's fields: in strict JSON, as a Python literal, or repaired.

    Of several those don't count that stand in the `question` or in quoted lines (`> …`): a judge quotes what it judges,
    before its own marks or after them. Where more than one is left and they differ, none is taken: a draft, a quotation
    and a verdict look alike. Thinking is no part of the reply. Of a reply that was cut the object may be missing, so
    that only one counts with which the reply begins, and which is whole.
    """
    if reply.text is None:
        return Parsed(None, reply, reply.error)
    reply = replace(reply, text=thinking.strip(reply.text))
    objects = list(_whole(reply)) if reply.truncated else list(_objects(reply.text or ""))
    own = _own(_about(objects, schema) or objects, reply.text or "", schema, question)
    if not own:
        return Parsed(None, reply, "cut at the token limit" if reply.truncated else "no JSON object")
    try:
        value = schema.model_validate(own[-1])
        if len({_core(one, schema) for one in own}) > 1:
            return Parsed(None, reply, f"{len(own)} objects that differ, and nothing says which one counts")
        return Parsed(value, reply)
    except ValidationError as error:
        first = error.errors()[0]
        return Parsed(None, reply, f"{'.'.join(map(str, first['loc'])) or 'object'}: {first['msg']}")


def _about(objects: Sequence[dict[str, Any]], schema: type[BaseModel]) -> list[dict[str, Any]]:
    """The objects that have all fields that the schema needs, else those that have one of its fields."""
    needed = {name for name, one in schema.model_fields.items() if one.is_required()}
    whole = [value for value in objects if needed and needed <= set(value)]
    return whole or [value for value in objects if set(value) & set(schema.model_fields)]


def _own(
    objects: Sequence[dict[str, Any]], text: str, schema: type[BaseModel], question: Prompt
) -> Sequence[dict[str, Any]]:
    """The objects that are the reply's own, where some can be told to be no more than quoted; else all of them."""
    if len({_core(value, schema) for value in objects}) < 2:
        return objects
    asides = [*(_plain(turn.content) for turn in question), "\n".join(_QUOTED.findall(text))]
    quotations = {_core(value, schema) for aside in asides for value in _about(list(_objects(aside)), schema)}
    return [value for value in objects if _core(value, schema) not in quotations] or objects


def _core(value: Mapping[str, Any], schema: type[BaseModel]) -> str:
    """What two objects have alike that say the same: the fields that the schema needs, or all where it needs none."""
    needed = [name for name, one in schema.model_fields.items() if one.is_required()]
    return json.dumps([value.get(name) for name in needed or schema.model_fields], sort_keys=True, default=str)


def _plain(text: str) -> str:
    """The text without the signs of quotation before its lines, so that objects of several lines are whole."""
    return re.sub(r"^> ?", "", text, flags=re.MULTILINE)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The objects that stand one after another in a text, whatever is said between them."""
    first = extract(text)
    while first.text:
        if first.value is not None:
            yield dict(first.value)
        text = text[text.index(first.text) + len(first.text) :]
        first = extract(text)


def _whole(reply: Reply) -> Iterator[dict[str, Any]]:
    """The object that a reply begins with, in a code block or not, if its end is there."""
    text = reply.text or ""
    first = extract(text)
    if first.value is not None and first.way != "repaired" and _BEFORE.fullmatch(text[: text.index(first.text)]):
        yield dict(first.value)


def with_schema(prompt: Prompt, schema: str) -> Prompt:
    """The prompt, with the schema that its reply must fit told at its end."""
    last = prompt[-1]
    return (*prompt[:-1], Message(last.role, f"{last.content}\n\n{render('schema', schema=schema)}"))


def _repair(prompt: Prompt, parsed: Parsed[T]) -> Prompt:
    answer = Message("assistant", parsed.reply.text or "")
    return (*prompt, answer, Message("user", render("repair", error=parsed.error)))
