"""What the metric saw in an answer: where the format's detector found it, and the value that was read there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from leaven.errors import UserError
from leaven.task import format as formats
from leaven.task.format import Format

SHOWN = 4_000
"""Characters of a text that are sent to a page; how many more there are is said."""
SEEN = frozenset({"format", "leak", "follows", "obeyed", "phrasing", "controlled", "follow", "refrain"})
"""Measures that ask the format's detector: only where one of them marks an answer did a metric look for the format."""


def detector(recipe: Mapping[str, Any], references: Sequence[str]) -> Format | None:
    """The format of a study by its recipe, or by its references where that leaves it to the answers.

    None where answers alone tell nothing, or the format is a file: a run may come from anybody, and to look at one must
    run none of its code.
    """
    token = recipe.get("token") or {}
    spec = str(token.get("answers") or "")
    if not spec or spec.endswith(".py"):
        return None
    try:
        form, _ = formats.choose(spec, token.get("answer_settings") or {}, references)
    except UserError:
        return None  # the format of another version: the marks stand without it
    return form if form.testable else None


def recipe_of(folder: Path) -> dict[str, Any]:
    """The recipe of a run; empty where there is none yet."""
    path = folder / "recipe.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    return values if isinstance(values, dict) else {}


def mark(question: Mapping[str, Any], form: Format | None) -> dict[str, Any]:
    """The question as a page shows it: long texts cut, with the spans that were seen and the values beside them."""
    expected = _value(question["reference"], form)
    return {
        "item": question["item"],
        "prompt": cut(question["prompt"]),
        "reference": cut(question["reference"]),
        "expected": expected,
        "answers": [
            {
                "method": answer["method"],
                "seed": answer["seed"],
                **cut(answer["text"]),
                "marks": answer["marks"],
                **_seen(answer, form if SEEN & answer["marks"].keys() else None, expected),
            }
            for answer in question["answers"]
        ],
    }


def cut(text: str | None) -> dict[str, Any]:
    """A text of at most `SHOWN` characters, and how many more there are."""
    text = text or ""
    return {"text": text[:SHOWN], "more": max(0, len(text) - SHOWN)}


def _seen(answer: Mapping[str, Any], form: Format | None, expected: str | None) -> dict[str, Any]:
    text = answer["text"] or ""
    if form is None or len(text) > 50_000:
        return {"spans": []}
    spans = [(start, min(end, SHOWN)) for start, end in form.spans(text) if start < SHOWN]
    return {"spans": spans, "value": _value(text, form) if expected is not None else None}


def _value(text: str | None, form: Format | None) -> str | None:
    """What the format reads in a text, as it is compared."""
    value = form.value(text) if form and text else None
    return None if value is None else str(value)[:400]
