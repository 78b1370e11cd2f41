"""Replies as values of a pydantic model: the schema is asked for, enforced where the engine can, and checked here.

    >>> class Verdict(BaseModel):
    ...     same: bool
    >>> read('Sure! {"same": true}', Verdict)
    (Verdict(same=True), None)

The schema stands in the prompt for every engine. Engines that can hold a model to it (`Sampling.response_schema`) do
so besides; what comes back is read the same way, repaired where it must be, and asked for once more when it is no use.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from leaven.data.objects import MAX_OPENINGS, extract
from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.prompts.render import render
from leaven.types import Message, Prompt

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """A reply and its value. Without a value, `error` says why and `reply` is still what the model said.

    `asked` is 2 where the first reply could not be read and the model was asked once more.
    """

    value: T | None
    reply: Reply
    error: str | None
    asked: int = 1


def structured(
    llm: LLM, prompts: Sequence[Prompt], schema: type[T], sampling: Sampling
) -> Iterator[tuple[int, Parsed[T]]]:
    """Every prompt's value as it arrives; those that can't be read are asked for once more, after the others."""
    sampling = replace(sampling, response_schema=schema.model_json_schema())
    asking = [_with_schema(prompt, schema) for prompt in prompts]
    unread: list[tuple[int, Parsed[T]]] = []
    for index, reply in llm.replies(asking, sampling):
        parsed = _parsed(reply, schema, asked=1)
        if parsed.value is None and reply.text is not None:
            unread.append((index, parsed))
        else:
            yield index, parsed
    again = [_once_more(asking[index], parsed) for index, parsed in unread]
    for place, reply in llm.replies(again, replace(sampling, draws=())) if again else ():
        index, first = unread[place]
        second = _parsed(reply, schema, asked=2)
        failed = f"{first.error}; asked again: {reply.error}"
        yield index, second if reply.text is not None else replace(first, error=failed, asked=2)


def read(text: str, schema: type[T]) -> tuple[T | None, str | None]:
    """The first object in the text that fits the schema, or why there is none."""
    fault = "it holds no JSON object"
    start = text.find("{")
    for _ in range(MAX_OPENINGS):
        if start < 0:
            break
        found = extract(text[start:])
        if found.value is not None:
            try:
                return schema.model_validate(found.value), None
            except ValidationError as error:
                fault = _fault(error)
        # What was an object of its own is left behind whole: its parts are not what was asked for.
        start = text.find("{", start + (len(found.text) if found.value is not None else 1))
    return None, fault


def _parsed(reply: Reply, schema: type[T], asked: int) -> Parsed[T]:
    if reply.text is None:
        return Parsed(None, reply, reply.error, asked)
    value, fault = read(reply.text, schema)
    if fault and reply.truncated:
        fault = f"it was cut at the token limit, and {fault}"
    return Parsed(value, reply, fault, asked)


def _with_schema(prompt: Prompt, schema: type[BaseModel]) -> Prompt:
    asked = render("structured", schema=json.dumps(schema.model_json_schema(), ensure_ascii=False))
    last = prompt[-1]
    return (*prompt[:-1], Message(last.role, f"{last.content}\n\n{asked}"))


def _once_more(prompt: Prompt, parsed: Parsed[Any]) -> Prompt:
    again = render("ask_again", fault=parsed.error)
    return (*prompt, Message("assistant", parsed.reply.text or ""), Message("user", again))


def _fault(error: ValidationError) -> str:
    faults = [f"{'.'.join(map(str, fault['loc'])) or 'the object'}: {fault['msg']}" for fault in error.errors()]
    return "; ".join(faults[:3])
