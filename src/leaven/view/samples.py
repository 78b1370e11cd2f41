"""Answers side by side, each marked right or wrong: of every test a question where the methods differ, and another."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from leaven.study.headline import percent
from leaven.view import tables

Summary = Mapping[str, Any]
Marks = tuple[tuple[str, str], ...]
"""(heading, ✓ or ✗ or a percentage) of each headline measure that has a value for an answer."""


def choose(folder: Path, summary: Summary) -> list[dict[str, Any]]:
    """For every test a question on which the methods differ, where there is one, and one on which they agree.

    Each is a dict of `test`, `prompt`, `reference`, `differs` and `answers`: method → text and marks, of the first seed
    of the largest size.
    """
    rng = random.Random(0)
    questions: list[dict[str, Any]] = []
    rows = list(_rows(folder, summary))
    for test in dict.fromkeys(row["test"] for row in rows):
        for differs in (True, False):
            alike = [row for row in rows if row["test"] == test and row["differs"] == differs]
            questions += rng.sample(alike, min(1, len(alike)))
    return questions


def _rows(folder: Path, summary: Summary) -> Iterator[dict[str, Any]]:
    """Every question that was asked, with what each method answered."""
    questions: dict[tuple[str, str], dict[str, Any]] = {}
    for method, place in _first_cells(folder, summary["methods"]).items():
        values = _values(place)
        for row in pl.read_parquet(place / "answers.parquet").iter_rows(named=True):
            question = questions.setdefault((row["test"], row["item"]), {**row, "answers": {}})
            marks = _marks(row["test"], values.get((row["test"], row["item"]), {}), summary["columns"])
            question["answers"][method] = {"text": row["answer"], "marks": marks}
    for question in questions.values():
        yield {**question, "differs": len({answer["marks"][:1] for answer in question["answers"].values()}) > 1}


def _first_cells(folder: Path, methods: Sequence[str]) -> dict[str, Path]:
    """Method → its cell of the first seed at the largest size, in the order of the table."""
    ranked = sorted(tables.cells(folder), key=lambda cell: (-cell[1]["size"], cell[1]["seed"]))
    first: dict[str, Path] = {}
    for path, about in ranked:
        first.setdefault(about["method"], path.parent)
    return {method: first[method] for method in methods if method in first}


def _values(place: Path) -> dict[tuple[str, str], dict[str, float]]:
    """(test, item) → measure → value."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    scores = pl.read_parquet(place / "scores.parquet").filter(pl.col("value").is_not_nan())
    for metric, item, value in scores.select("metric", "item", "value").iter_rows():
        test, _, measure = metric.partition("/")
        values.setdefault((test, item), {})[measure] = value
    return values


def _marks(test: str, values: Mapping[str, float], columns: Sequence[Mapping[str, Any]]) -> Marks:
    """The headline measures of an answer; where those are of several answers together, the first that is its own."""
    marks = []
    for column in columns:
        name, _, measure = column["metric"].partition("/")
        if name == test and measure in values:
            marks.append((column["heading"], _mark(values[measure], column["lower_is_better"])))
    own = [(measure.replace("_", " "), _mark(value)) for measure, value in values.items()]
    return tuple(marks or own[:1])


def _mark(value: float, lower_is_better: bool = False) -> str:
    good = 1 - value if lower_is_better else value
    return {0.0: "✗", 1.0: "✓"}.get(good, f"{percent(value)} %")
