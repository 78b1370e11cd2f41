"""Lists by their lines: what counts as a list, bulleted or numbered, and its items.

An answer is a list when every line of it is an item (one is enough), or when at least two are and at most two other
lines stand beside them: a sentence before, a sentence after. Headings between the items (they end with a colon, start
with # or are bold) do not count as such lines, so long as they are no more than the items. Indented lines belong to
the item above them. Prose with a dash or two, or with a list somewhere in the middle, is none.
"""

import re
from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from leaven.section import Section
from leaven.task.formats._labels import SHARE
from leaven.task.formats._wrap import unwrap

OTHERS = 2

_HEADING = re.compile(r"#|.*:[*_ ]*$|\*\*.*\*\*$")
_INDENTED = re.compile(r"(?: {2,}|\t)")


class Items(Section):
    """How many items a list has."""

    min_items: int = Field(1, ge=1)
    """The fewest."""
    max_items: int | None = Field(None, ge=1)
    """The most; none: any number."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_items is not None and self.max_items < self.min_items:
            raise ValueError(f"max_items {self.max_items} is less than min_items {self.min_items}")
        return self


def items(text: str, marker: re.Pattern[str]) -> list[str]:
    """The items of a list whose lines begin with `marker`; empty where the answer is no list."""
    entries: list[str] = []
    others = headings = 0
    for line in filter(str.strip, unwrap(text).split("\n")):
        if (match := marker.match(line)) and re.search(r"\w", line[match.end() :]):
            entries.append(line[match.end() :].strip())
        elif entries and _INDENTED.match(line):
            entries[-1] += f"\n{line.strip()}"
        elif _HEADING.match(line.strip()):
            headings += 1
        else:
            others += 1
    alone = len(entries) == 1 and not others and not headings
    several = len(entries) >= 2 and others <= OTHERS and headings <= len(entries)
    return entries if alone or several else []


def places(text: str, entries: Sequence[str]) -> list[tuple[int, int]]:
    """Where the first line of each item stands in the text: behind a marker, not where a sentence says the same."""
    spans: list[tuple[int, int]] = []
    for line in (entry.split("\n")[0] for entry in entries):
        item = re.compile(rf"^[ \t]*(?:[-*•]|\(?\d{{1,3}}[.)])[ \t]*({re.escape(line)})", re.MULTILINE)
        if match := item.search(text, spans[-1][1] if spans else 0):
            spans.append(match.span(1))
    return spans


def matches(entries: Sequence[str], config: Items) -> bool:
    """Whether there are as many items as `config` says."""
    return len(entries) >= config.min_items and (config.max_items is None or len(entries) <= config.max_items)


def settings_of(lists: Sequence[Sequence[str]]) -> dict[str, Any] | None:
    """The range of the items; None where too few answers are lists."""
    counts = [len(entries) for entries in lists if entries]
    if not counts or len(counts) < SHARE * len(lists):
        return None
    return {"min_items": min(counts), "max_items": max(counts)}


def clause(config: Items) -> str:
    """What comes after the name of the list: `of 3 to 7 items`."""
    low, high = config.min_items, config.max_items
    if high is None:
        return f" of at least {low} items" if low > 1 else ""
    return f" of {high} item{'s' * (high > 1)}" if low == high else f" of {low} to {high} items"
