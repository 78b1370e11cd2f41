"""A bullet list: lines that begin with -, * or •."""

import re
from collections.abc import Sequence

from leaven.task.formats import _items

_BULLET = re.compile(r"[ \t]?[-*•][ \t]+")
_NUMBER = re.compile(r"\d+[.)]?")


class Config(_items.Items):
    """How many items the list has."""


def detect(text: str, config: Config) -> bool:
    """A list by its lines, of any length."""
    return bool(_entries(text))


def valid(text: str, config: Config) -> bool:
    """A list of as many items as the settings say."""
    return _items.matches(_entries(text), config)


def value(text: str, config: Config) -> list[str] | None:
    """The items."""
    return _entries(text) or None


def spans(text: str, config: Config) -> Sequence[tuple[int, int]]:
    """The items."""
    return _items.places(text, _entries(text))


def infer(answers: Sequence[str]) -> Config | None:
    """From how few to how many items the lists have."""
    settings = _items.settings_of([_entries(answer) for answer in answers])
    return None if settings is None else Config(**settings)


def describe(config: Config) -> str:
    """The list and how long it is."""
    return "a bullet list" + _items.clause(config)


def predicate(config: Config) -> str:
    """What several answers are."""
    return "are bullet lists" + _items.clause(config)


def word(config: Config) -> str:
    """Its name."""
    return "bullet list"


def start(config: Config) -> tuple[str, ...]:
    """The markers."""
    return ("- ", "* ", "• ")


def _entries(text: str) -> list[str]:
    """The items; "- 5" alone is a number and no list."""
    entries = _items.items(text, _BULLET)
    return [] if len(entries) == 1 and _NUMBER.fullmatch(entries[0]) else entries
