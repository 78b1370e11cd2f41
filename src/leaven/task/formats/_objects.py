"""JSON-like objects in free text, read in three ways that are told apart.

    >>> extract("Sure: {'thought': 'It fits.', 'hallucination': 'no'} Anything else?").way
    'python'

DELIA (arXiv 2408.10841) repairs quotes and then counts any success as JSON; here what was repaired is seen to be.
"""

import ast
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, Literal

import json_repair

Way = Literal["strict", "python", "repaired"]

# Parsers recurse, and a text that is long or deep enough crashes them: beyond any answer's size it is no object.
MAX_LENGTH = 50_000
MAX_DEPTH = 50
MAX_OPENINGS = 50

# A whole quoted string (its braces do not count), a brace, or a quote that never closes.
_PIECE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|\'[^\'\\]*+(?:\\.[^\'\\]*+)*+\'|[{}"\']', re.DOTALL)
# Code has braces too, and json_repair makes an object of nearly anything: what it may repair begins with a key, and no
# line of it ends with the semicolon of C, Java or CSS.
_KEY = re.compile(r"\{\s*(?:[\"'`“”‘’\\]|[\w $.-]{1,60}:(?!:)|\})")
_SEMICOLON = re.compile(r";\s*(?:[\n}]|$)")


@dataclass(frozen=True, slots=True)
class Reading:
    """An object in a text: its value, how it was read, and the text of it (all empty where there is none)."""

    value: Mapping[str, Any] | None = None
    way: Way | None = None
    text: str = ""


def extract(text: str) -> Reading:
    """The object at the first brace of the text.

    It ends where its braces balance; else at the first closing brace, as in the paper; else with the text (an answer
    that was cut).
    """
    start = text.find("{")
    if start < 0:
        return Reading()
    candidate = text[start : _end(text, start)]
    if len(candidate) > MAX_LENGTH or depth(candidate) > MAX_DEPTH:
        return Reading(text=candidate)
    if (value := _strict(candidate)) is not None:
        return Reading(value, "strict", candidate)
    if (value := _python(candidate)) is not None:
        return Reading(value, "python", candidate)
    if (value := _repaired(candidate)) is not None:
        return Reading(value, "repaired", candidate)
    return Reading(text=candidate)


def first(text: str) -> Reading:
    """The first object that is not empty, at whichever brace it begins; `{}` and `Dear {user}` are none.

    >>> first("Dear {user}: {'a': 1}").value
    {'a': 1}
    """
    length = 0
    for opening in islice(re.finditer(r"\{", text), MAX_OPENINGS):
        reading = extract(text[opening.start() : opening.start() + MAX_LENGTH])
        length += len(reading.text)
        if reading.value:
            return reading
        if length > 4 * MAX_LENGTH:
            break
    return Reading()


def _end(text: str, start: int) -> int:
    depth = 0
    for match in _PIECE.finditer(text, start):
        piece = match.group()
        if len(piece) == 1 and piece in "\"'":
            break
        depth += (piece == "{") - (piece == "}")
        if depth == 0:
            return match.end()
    closing = text.find("}", start)
    return closing + 1 if closing >= 0 else len(text)


def depth(text: str) -> int:
    """How deep the brackets of a text are nested, also where they do not match."""
    brackets = (1 if bracket in "{[(" else -1 for bracket in re.findall(r"[{}\[\]()]", text))
    return max(accumulate(brackets), default=0)


def _strict(text: str) -> Mapping[str, Any] | None:
    try:
        return _object(json.loads(text, parse_constant=_refuse))
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    """NaN and Infinity, which Python's parser takes and no other does."""
    raise ValueError(constant)


def _python(text: str) -> Mapping[str, Any] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model's "\d" is no warning to our user
            return _object(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _repaired(text: str) -> Mapping[str, Any] | None:
    if not _KEY.match(text) or _SEMICOLON.search(text):
        return None
    try:
        value = _object(json_repair.repair_json(text, return_objects=True, skip_json_loads=True))
    except (ValueError, RecursionError):
        return None
    # From text that is no object at all json_repair makes an empty one.
    return value or None


def _object(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None
