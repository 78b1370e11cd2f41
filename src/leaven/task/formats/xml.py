"""Elements between tags: `<label>yes</label>`, one or several, with or without one around them."""

import re
from collections.abc import Sequence
from typing import Any

from leaven.task.formats import _fields
from leaven.task.formats._wrap import fenced, unwrap

SHORT = "keys"

MAX_LENGTH = 50_000
MAX_TAGS = 1_000
# What chat models use to lay out text or to think aloud, and what prose on web pages is about. A task's own tags are
# named by `keys`.
LAYOUT = frozenset(
    "a b blockquote body br button center div em font footer form h1 h2 h3 h4 h5 h6 head header hr html i img input li "
    "link meta nav ol p pre script small span strong style sub sup table tbody td th thead "
    "think thinking tr u ul".split()
)

_PROLOG = re.compile(r"<\?xml[^<>]*\?>|<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(r"<(/?)([^\W\d][\w.-]*)((?:[ \t\n][^<>]*)?/?)>")


class Config(_fields.Fields):
    """Which tags the answer has."""


def detect(text: str, config: Config) -> bool:
    """A pair of one of the settings' tags anywhere, or else an answer that begins and ends with a tag.

    A tag that is merely mentioned ("e.g. <b>") is none, and HTML's tags of layout are none unless named.
    """
    if _pairs(text, config.keys):
        return True
    elements = _elements(text)
    return bool(elements) and not any(name.casefold() in LAYOUT for name in elements)


def valid(text: str, config: Config) -> bool:
    """Every tag is closed, the tags are those of the settings, and the label is one of the labels."""
    elements = _elements(text)
    return bool(elements) and _fields.matches(elements, config)


def value(text: str, config: Config) -> Any | None:
    """The label, or the text of every element."""
    if not detect(text, config):
        return None
    elements = _elements(text) or _pairs(text, config.keys)
    return _fields.value_of(elements, config) if elements else None


def infer(answers: Sequence[str]) -> Config | None:
    """The tags that the answers share."""
    settings = _fields.settings_of([_elements(answer) for answer in answers])
    return None if settings is None else Config(**settings)


def describe(config: Config) -> str:
    """The tags."""
    return "XML" + _fields.clause(config, "tag", "<{}>")


def predicate(config: Config) -> str:
    """What several answers are."""
    return "are XML" + _fields.clause(config, "tag", "<{}>")


def word(config: Config) -> str:
    """XML."""
    return "XML"


def start(config: Config) -> tuple[str, ...]:
    """The first tag."""
    return tuple(f"<{key}>" for key in config.keys[:1]) or ("<",)


def _elements(text: str) -> dict[str, str]:
    """What stands in each element, the inner ones too, of an answer that begins and ends with a tag.

    Empty where it does not, or where a tag is not closed. Of several elements of one name the first counts.
    """
    body = _body(text)
    tags = list(_TAG.finditer(body)) if len(body) <= MAX_LENGTH else []
    if not tags or len(tags) > MAX_TAGS or tags[0].start() != 0 or tags[-1].end() != len(body):
        return {}
    elements: dict[str, str] = {}
    opened: list[re.Match[str]] = []
    for tag in tags:
        if tag[3].endswith("/"):
            elements.setdefault(tag[2], "")
        elif not tag[1]:
            elements.setdefault(tag[2], "")  # in the order in which they open
            opened.append(tag)
        elif not opened or opened[-1][2] != tag[2]:
            return {}
        else:
            elements[tag[2]] = elements[tag[2]] or body[opened.pop().end() : tag.start()].strip()
    return {} if opened else elements


def _body(text: str) -> str:
    """The answer without its wrapping, one line before its first tag and one after its last."""
    inner = fenced(text, "xml")
    lines = _PROLOG.sub("", unwrap(text) if inner is None else inner).strip().split("\n")
    if len(lines) > 1 and not lines[0].lstrip().startswith("<"):
        lines = lines[1:]
    if len(lines) > 1 and not lines[-1].rstrip().endswith(">"):
        lines = lines[:-1]
    return "\n".join(lines).strip()


def _pairs(text: str, names: Sequence[str]) -> dict[str, str]:
    """What stands between the first opening tag of each name and the closing tag after it."""
    elements = {}
    for name in names:
        opening = re.search(rf"<{re.escape(name)}(?:[ \t\n][^<>]*)?>", text)
        end = text.find(f"</{name}>", opening.end()) if opening else -1
        if opening and end >= 0:
            elements[name] = text[opening.end() : end].strip()
    return elements
