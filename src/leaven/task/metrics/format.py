"""Whether answers have the format that the token means: that format, well formed, with the right value."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task.format import Format
from leaven.task.formats._labels import normal
from leaven.task.metrics.text import exact, overlap
from leaven.task.scoring import Scoring

HEADLINE = ("format",)
LOWER_IS_BETTER: frozenset[str] = frozenset()


def score(answers: Sequence[str], rows: Dataset, scoring: Scoring) -> Iterator[Measure]:
    """`format` (in the format), `valid` (well formed), `value` (equal to the reference's) and `exact` (all of it).

    `content` is how much of the reference's value the answer's has (`shared`); of labels, whether it is the right one.
    A format may add measures of its own; where it reads labels, `macro_f1` is over all rows. An answer whose value
    can't be read is wrong; a row whose reference has no value leaves `value` and `content` undefined.
    """
    form = scoring.format
    labels: list[tuple[str, str]] = []
    for answer, row in zip(answers, rows, strict=True):
        expected, actual = _expected(row.answer, form), form.value(answer)
        yield Measure("format", row.id, float(form.detect(answer)))
        yield Measure("valid", row.id, float(form.valid(answer)))
        right = float("nan") if expected is None else float(is_same(actual, expected))
        in_part = expected is not None and not is_label(expected, form)
        yield Measure("value", row.id, right)
        yield Measure("content", row.id, shared(actual, expected) if in_part else right)
        yield Measure("exact", row.id, exact(answer, row.answer))
        for name, value in form.extra(answer).items():
            yield Measure(name, row.id, value)
        if isinstance(expected, str):
            labels.append((expected, actual if isinstance(actual, str) else ""))
    if names := getattr(form.config, "labels", ()):
        yield Measure("macro_f1", "", macro_f1(labels, [normal(label) for label in names]))


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON has them: true is not 1, as it is to Python.

    >>> is_same({"ok": True, "n": 1}, {"n": 1.0, "ok": True}), is_same({"ok": True}, {"ok": 1})
    (True, False)
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def is_label(value: Any, form: Format) -> bool:
    """Whether a value is one of a few names: a part of one is no part of the truth."""
    return isinstance(value, str) and hasattr(form.config, "labels")


def shared(one: Any, other: Any) -> float:
    """How much of a value another has: field by field, the F1 of the words; a field that either lacks is not shared.

    >>> shared({"name": "Ada Byron", "born": 1815}, {"name": "Ada Lovelace", "born": 1815.0})
    0.75
    >>> shared({"title": "Ada"}, {"name": "Ada"}), shared(None, ["Ada"])
    (0.0, 0.0)
    """
    if is_same(one, other):
        return 1.0
    if one is None or other is None:
        return 0.0
    if isinstance(one, dict) and isinstance(other, dict):
        both = one.keys() & other.keys()
        return sum(shared(one[key], other[key]) for key in both) / len(one.keys() | other.keys())
    return overlap(_text(one), _text(other))


def _text(value: Any) -> str:
    """The words of a value, without its keys."""
    parts = list(value.values()) if isinstance(value, dict) else value
    if isinstance(parts, list | tuple):
        return " ".join(map(_text, parts))
    return parts if isinstance(parts, str) else json.dumps(parts, ensure_ascii=False, default=str)


def _expected(reference: str | None, form: Format) -> Any | None:
    """The value of a reference that is in the format, or that is a bare label."""
    if reference is None:
        return None
    labels = {normal(label) for label in getattr(form.config, "labels", ())}
    return normal(reference) if normal(reference) in labels else form.value(reference)


def macro_f1(pairs: Sequence[tuple[str, str]], labels: Sequence[str]) -> float:
    """The mean F1 over those labels that occur in the pairs of (expected, given); NaN when none does."""
    scores = []
    for label in labels:
        right = sum(normal(expected) == label == normal(given) for expected, given in pairs)
        occurrences = sum((normal(expected) == label) + (normal(given) == label) for expected, given in pairs)
        if occurrences:
            scores.append(2 * right / occurrences)
    return sum(scores) / len(scores) if scores else float("nan")
