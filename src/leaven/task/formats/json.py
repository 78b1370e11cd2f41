"""A JSON object anywhere in the answer, in Python's single quotes or repaired as well."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from leaven.task.formats import _fields
from leaven.task.formats._objects import Reading, first
from leaven.task.formats._wrap import without_code

SHORT = "keys"
MARKS = "{}[]\"':,"


class Config(_fields.Fields):
    """Which keys the object has."""


def detect(text: str, config: Config) -> bool:
    """An object anywhere, also within other words; code of another language in a fence has braces and is none."""
    return _first(text).value is not None


def valid(text: str, config: Config) -> bool:
    """The first object has the keys, and the label is one of the labels."""
    fields = _first(text).value
    return fields is not None and _fields.matches(fields, config)


def value(text: str, config: Config) -> Any | None:
    """The label, or the fields of the first object."""
    fields = _first(text).value
    return None if fields is None else _fields.value_of(fields, config)


def spans(text: str, config: Config) -> Sequence[tuple[int, int]]:
    """The first object."""
    start = text.find(whole) if (whole := _first(text).text) else -1
    return [(start, start + len(whole))] if start >= 0 else []


def extra(text: str, config: Config) -> Mapping[str, float]:
    """In which way the first object can be read: as JSON, as a Python literal, or when it is repaired."""
    way = _first(text).way
    return {name: float(way == name) for name in ("strict", "python", "repaired")}


def infer(answers: Sequence[str]) -> Config | None:
    """The keys that the objects share."""
    settings = _fields.settings_of([_first(answer).value for answer in answers])
    return None if settings is None else Config(**settings)


def note(answers: Sequence[str]) -> str:
    """Whether most objects are Python literals, as in DELIA's published rows."""
    ways = [_first(answer).way for answer in answers]
    if ways.count("python") <= ways.count("strict"):
        return ""
    return "They are Python literals and not JSON (single quotes): json.loads reads none of them."


def describe(config: Config) -> str:
    """The object and its keys."""
    return "a JSON object" + _fields.clause(config, "key")


def predicate(config: Config) -> str:
    """What several answers are."""
    return "are JSON objects" + _fields.clause(config, "key")


def word(config: Config) -> str:
    """JSON."""
    return "JSON"


def start(config: Config) -> tuple[str, ...]:
    """The brace."""
    return ("{",)


@lru_cache(maxsize=1)  # whoever marks an answer asks for all of the above, one after another
def _first(text: str) -> Reading:
    """The object that all of the above is about: the first of the answer, and no code."""
    return first(without_code(text, "json", "python") if "```" in text else text)
