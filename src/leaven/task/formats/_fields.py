"""Answers of named fields, as JSON, YAML and XML write them: which fields there are, and which one is a label."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import model_validator

from leaven.section import Section
from leaven.task.formats._labels import SHARE, labels_of, normal, one_of, series


class Fields(Section):
    """Which fields an answer has."""

    keys: tuple[str, ...] = ()
    """The names of the fields; none: any."""
    extra_keys: bool = False
    """Whether an answer may have other fields beside them."""
    label_key: str = ""
    """The field that holds the label; none: all fields are compared."""
    labels: tuple[str, ...] = ()
    """The values that the label may take; none: any."""

    @model_validator(mode="after")
    def _label_key_is_there(self) -> Self:
        if self.labels and not self.label_key:
            raise ValueError("labels are the values of a field: name it by label_key")
        if self.label_key and self.keys and self.label_key not in self.keys:
            raise ValueError(f"label_key {self.label_key!r} is none of the keys {series(self.keys)}")
        return self


def matches(fields: Mapping[str, Any], config: Fields) -> bool:
    """Whether the fields are those of `config`, and the label one of its labels."""
    keys = set(config.keys)
    if keys and not (keys <= set(fields) if config.extra_keys else keys == set(fields)):
        return False
    label = _label(fields, config)
    return not config.label_key or (label is not None and (not config.labels or one_of(label, config.labels)))


def value_of(fields: Mapping[str, Any], config: Fields) -> Any | None:
    """The label where one is named, else the fields."""
    return _label(fields, config) if config.label_key else dict(fields)


def settings_of(answers: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """The settings under which (nearly) all answers fit; None where too few are fields at all."""
    rows = [fields for fields in answers if fields]
    if not rows or len(rows) < SHARE * len(answers):
        return None
    counts = Counter(key for fields in rows for key in fields)
    keys = tuple(key for key, count in counts.items() if count >= SHARE * len(rows))
    if not keys:
        return {"extra_keys": True}
    exact = sum(set(fields) == set(keys) for fields in rows)
    label_key, labels = _label_of(keys, [fields for fields in rows if set(keys) <= set(fields)])
    return {"keys": keys, "extra_keys": exact < SHARE * len(rows), "label_key": label_key, "labels": labels}


def clause(config: Fields, noun: str, mark: str = "{}") -> str:
    """What comes after the name of the format: `with the keys a and b, where b is yes or no`."""
    text = ""
    if config.keys:
        names = [mark.format(key) for key in config.keys]
        text += f" with the {noun}{'s' * (len(names) > 1)} {series(names)}"
    if config.labels:
        text += f", where {mark.format(config.label_key)} is {series(config.labels, 'or')}"
    return text


def _label(fields: Mapping[str, Any], config: Fields) -> str | None:
    value = fields.get(config.label_key)
    return normal(str(value)) if isinstance(value, str | bool | int | float) else None


def _label_of(keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[str, ...]]:
    """The field of the fewest labels, the last of equals: a thought comes before its verdict."""
    best: tuple[str, tuple[str, ...]] = ("", ())
    for key in keys:
        values = [fields[key] for fields in rows]
        if all(isinstance(value, str | bool | int | float) for value in values):
            labels = labels_of([str(value) for value in values])
            if labels and (not best[1] or len(labels) <= len(best[1])):
                best = (key, labels)
    return best
