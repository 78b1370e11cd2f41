"""Answers that are JSON-like objects compared with a reference."""

from collections.abc import Iterator, Sequence
from typing import Literal

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task.formats._objects import Reading, contains, extract
from leaven.task.settings import EvaluateSection

__all__ = ["contains", "exact", "extract", "macro_f1", "measures", "target_kind"]

TargetKind = Literal["json", "python", "text"]


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


def _fits(found: Reading, config: EvaluateSection) -> bool:
    value = found.value
    return value is not None and set(value) == set(config.keys) and value.get(config.label_key) in config.labels


def _label(found: Reading, config: EvaluateSection) -> str | None:
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
