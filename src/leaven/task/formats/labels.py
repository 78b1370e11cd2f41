"""One of a few labels, and nothing else: `yes`, `no`."""

from collections.abc import Sequence

from pydantic import Field

from leaven.section import Section
from leaven.task.formats import _labels
from leaven.task.formats._wrap import unwrap

SHORT = "labels"


class Config(Section):
    """Which labels there are."""

    labels: tuple[str, ...] = Field(min_length=1)
    """The labels."""


def detect(text: str, config: Config) -> bool:
    """The answer is a label: "Yes, because …" is none."""
    return value(text, config) is not None


def value(text: str, config: Config) -> str | None:
    """The label as it is compared."""
    label = unwrap(text)
    return _labels.normal(label) if label and _labels.one_of(label, config.labels) else None


def spans(text: str, config: Config) -> Sequence[tuple[int, int]]:
    """The label."""
    label = unwrap(text) if detect(text, config) else ""
    start = text.find(label)
    return [(start, start + len(label))] if label and start >= 0 else []


def infer(answers: Sequence[str]) -> Config | None:
    """The few values that all answers are."""
    labels = _labels.labels_of([unwrap(answer) for answer in answers])
    return Config(labels=labels) if labels else None


def describe(config: Config) -> str:
    """The labels."""
    return f"nothing but {_labels.series(config.labels, 'or')}"


def predicate(config: Config) -> str:
    """What several answers are."""
    return f"are nothing but {_labels.series(config.labels, 'or')}"


def word(config: Config) -> str:
    """The labels, in a word."""
    return "/".join(config.labels)


def start(config: Config) -> tuple[str, ...]:
    """The labels as they stand."""
    return config.labels
