"""A YAML mapping: `key: value` lines, or a fence that says yaml.

Prose has colons too ("Note: it depends."), so lines count only where the whole answer is a mapping: but for one line
before it and one after, every line is `key: value`, an indented line or an item. A key is one word that starts small,
as a chat model's character sheet ("Name: Ann") does not, or one of the keys that the settings name.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from leaven.task.formats import _fields
from leaven.task.formats._objects import MAX_DEPTH, depth
from leaven.task.formats._wrap import fenced, unwrap

SHORT = "keys"

MAX_LENGTH = 20_000  # the parser reads some hundred thousand characters a second

_KEY = re.compile(r"([\"']?)([^\W\d][\w.-]*(?: [\w.-]+){0,3})\1[ \t]*:(?:[ \t]+(.*))?$")
_ONE_WORD = re.compile(r"[^\W\dA-Z][\w.-]*")
_INNER = re.compile(r"[ \t]+\S|-(?:[ \t]|$)|#|\s*$")


class Config(_fields.Fields):
    """Which keys the mapping has."""


def detect(text: str, config: Config) -> bool:
    """A mapping by its lines, whether or not a parser takes what they hold."""
    block = _block(text)
    return block is not None and _meant(block, config)


def valid(text: str, config: Config) -> bool:
    """A parser reads it, it has the keys, and the label is one of the labels."""
    fields = _mapping(text, config)
    return fields is not None and _fields.matches(fields, config)


def value(text: str, config: Config) -> Any | None:
    """The label, or the fields; every scalar is text (in YAML `no` is otherwise false)."""
    fields = _mapping(text, config)
    return None if fields is None else _fields.value_of(fields, config)


def infer(answers: Sequence[str]) -> Config | None:
    """The keys that the mappings share; a line with one key is a label unless it is fenced."""
    rows = [_parsed(block) if (block := _block(answer)) else None for answer in answers]
    settings = _fields.settings_of(rows)
    if settings is None or not settings.get("keys"):
        return None
    one = len(settings["keys"]) == 1 and not any(fenced(answer, "yaml", "yml") for answer in answers)
    return None if one else Config(**settings)


def describe(config: Config) -> str:
    """The mapping and its keys."""
    return "a YAML mapping" + _fields.clause(config, "key")


def predicate(config: Config) -> str:
    """What several answers are."""
    return "are YAML mappings" + _fields.clause(config, "key")


def word(config: Config) -> str:
    """YAML."""
    return "YAML"


def start(config: Config) -> tuple[str, ...]:
    """The first key, a fence, or the three dashes."""
    return (*(f"{key}:" for key in config.keys[:1]), "```yaml", "---")


def _mapping(text: str, config: Config) -> Mapping[str, Any] | None:
    block = _block(text)
    return _parsed(block) if block is not None and _meant(block, config) else None


def _block(text: str) -> str | None:
    """The lines of the mapping, and None where the answer is no mapping by its lines."""
    inner = fenced(text, "yaml", "yml")
    text = unwrap(text) if inner is None else inner
    lines = [line.rstrip() for line in text.split("\n") if line.strip() and line.strip() != "---"]
    if inner is None and len(lines) > 1:
        after = not _KEY.match(lines[-1]) and not _INNER.match(lines[-1])
        lines = lines[not _KEY.match(lines[0]) : len(lines) - after]
    if not lines or not _KEY.match(lines[0]):
        return None
    return "\n".join(lines) if all(_KEY.match(line) or _INNER.match(line) for line in lines) else None


def _meant(block: str, config: Config) -> bool:
    """Whether the lines are more than prose with colons: every key is one small word, or one is known."""
    keys = [match[2] for line in block.split("\n") if (match := _KEY.match(line))]
    return any(key in config.keys for key in keys) or all(_ONE_WORD.fullmatch(key) for key in keys)


def _parsed(block: str) -> Mapping[str, Any] | None:
    if len(block) > MAX_LENGTH or depth(block) > MAX_DEPTH:
        return None
    try:
        fields = yaml.load(block, Loader=_Plain)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) and all(isinstance(key, str) for key in fields) else None


class _Plain(yaml.BaseLoader):
    """Every scalar is text, and no node is named twice: a few aliases of aliases would fill the memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node, unless it is an alias."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)
