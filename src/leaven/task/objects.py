"""JSON-like objects in free text: found, read in three ways that are told apart, and compared with a reference.

    >>> extract("Sure: {'thought': 'It fits.', 'hallucination': 'no'} Anything else?").way
    'python'

The paper repairs quotes and then counts any success as JSON (papers.md 2.8); here what was repaired is seen to be.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task.settings import EvaluateSection

Way = Literal["strict", "python", "repaired"]
TargetKind = Literal["json", "python", "text"]

# Parsers recurse: what is longer or deeper than any answer would be is no object to us, so that no text can crash them.
MAX_LENGTH = 50_000
MAX_DEPTH = 50
MAX_OPENINGS = 50

# A whole quoted string (its braces do not count), a brace, or a quote that never closes.
_PIECE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|\'[^\'\\]*+(?:\\.[^\'\\]*+)*+\'|[{}"\']', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """The earliest object of a text: its value, how it was read, and the text of it (all empty where there is none)."""

    value: Mapping[str, Any] | None = None
    way: Way | None = None
    text: str = ""


def extract(text: str) -> Found:
    """The object at the first brace of the text.

    It ends where its braces balance; else at the first closing brace, as in the paper; else with the text (an answer
    that was cut). Raises UserError when only json_repair could read it and that is not installed.
    """
    start = text.find("{")
    if start < 0:
        return Found()
    candidate = text[start : _end(text, start)]
    if len(candidate) > MAX_LENGTH or _depth(candidate) > MAX_DEPTH:
        return Found(text=candidate)
    if (value := _strict(candidate)) is not None:
        return Found(value, "strict", candidate)
    if (value := _python(candidate)) is not None:
        return Found(value, "python", candidate)
    if (value := _repaired(candidate)) is not None:
        return Found(value, "repaired", candidate)
    return Found(text=candidate)


def contains(text: str) -> bool:
    """Whether there is a JSON-like object anywhere in the text, not only at its first brace."""
    openings = [match.start() for match in re.finditer(r"\{", text)][:MAX_OPENINGS]
    return any(extract(text[start : start + MAX_LENGTH]).value is not None for start in openings)


def target_kind(examples: Dataset) -> TargetKind:
    """What most reference answers are as they stand: JSON, Python literals (the published task rows are), or text."""
    ways = [extract(answer).way for answer in (example.answer for example in examples) if answer is not None]
    strict, python = ways.count("strict"), ways.count("python")
    if 2 * (strict + python) <= len(ways):
        return "text"
    return "json" if strict >= python else "python"


def exact(answer: str, reference: str | None) -> float:
    """Whether the answer is the reference but for space around it; NaN where there is no reference."""
    return float("nan") if reference is None else float(answer.strip() == reference.strip())


def measures(answers: Sequence[str], examples: Dataset, config: EvaluateSection) -> Iterator[Measure]:
    """How far each answer is the object that was asked for, and over all of them the macro F1 of the label.

    An answer whose label can't be read is wrong. A row whose reference has no label leaves `label_accuracy` undefined.
    """
    labels: list[tuple[str, str | None]] = []
    for answer, example in zip(answers, examples, strict=True):
        found = extract(answer)
        expected, given = _reference_label(example.answer, config), _label(found, config)
        correct = float("nan") if expected is None else float(given == expected)
        yield Measure("json", example.id, float(found.value is not None))
        for way in ("strict", "python", "repaired"):
            yield Measure(way, example.id, float(found.way == way))
        yield Measure("schema", example.id, float(_fits(found, config)))
        yield Measure("label_accuracy", example.id, correct)
        yield Measure("exact", example.id, exact(answer, example.answer))
        if expected is not None:
            labels.append((expected, given))
    yield Measure("macro_f1", "", macro_f1(labels, config.labels))


def macro_f1(pairs: Sequence[tuple[str, str | None]], labels: Sequence[str]) -> float:
    """The mean F1 over those labels that occur in the pairs of (expected, given); NaN when none does."""
    scores = []
    for label in map(_normal, labels):
        right = sum(expected == label == given for expected, given in pairs)
        occurrences = sum((expected == label) + (given == label) for expected, given in pairs)
        if occurrences:
            scores.append(2 * right / occurrences)
    return sum(scores) / len(scores) if scores else float("nan")


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


def _depth(text: str) -> int:
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
    try:
        import json_repair
    except ImportError:
        raise UserError(
            "an answer has to be repaired to be read, and json_repair is not installed",
            "pip install 'leaven[evaluate]'",
        ) from None
    try:
        value = _object(json_repair.repair_json(text, return_objects=True, skip_json_loads=True))
    except (ValueError, RecursionError):
        return None
    # From text that is no object at all json_repair makes an empty one.
    return value or None


def _object(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None


def _fits(found: Found, config: EvaluateSection) -> bool:
    value = found.value
    return value is not None and set(value) == set(config.keys) and value.get(config.label_key) in config.labels


def _label(found: Found, config: EvaluateSection) -> str | None:
    value = None if found.value is None else found.value.get(config.label_key)
    return None if value is None else _normal(str(value))


def _reference_label(reference: str | None, config: EvaluateSection) -> str | None:
    """The label of a reference that is an object, or that is a bare label."""
    if reference is None:
        return None
    bare = _normal(reference)
    return bare if bare in map(_normal, config.labels) else _label(extract(reference), config)


def _normal(label: str) -> str:
    return label.strip().casefold()
