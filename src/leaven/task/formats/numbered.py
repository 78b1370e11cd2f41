"""A numbered list: lines that begin with 1. 2. 3., 1) 2) 3) or (1) (2) (3), counted up."""

import re
from collections.abc import Sequence
from itertools import pairwise

from leaven.task.formats import _items
from leaven.task.formats._wrap import unwrap

_NUMBER = re.compile(r"[ \t]?\(?(\d{1,3})[.)](?:[ \t]+|(?=[^\W\d]))")


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
    return "a numbered list" + _items.clause(config)


def predicate(config: Config) -> str:
    """What several answers are."""
    return "are numbered lists" + _items.clause(config)


def word(config: Config) -> str:
    """Its name."""
    return "numbered list"


def start(config: Config) -> tuple[str, ...]:
    """The markers."""
    return ("1. ", "1) ", "(1) ")


def _entries(text: str) -> list[str]:
    """The items, where each number follows the one before or is 1: of a second list, or in Markdown of every item."""
    numbers = [int(match[1]) for line in unwrap(text).split("\n") if (match := _NUMBER.match(line))]
    counted = all(number in (before + 1, 1) for before, number in pairwise([0, *numbers]))
    return _items.items(text, _NUMBER) if counted else []
