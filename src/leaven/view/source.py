"""What a page asks of a run, answered from its files: the same answers for the server and for a static folder."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import polars as pl

from leaven.errors import UserError
from leaven.task.format import Format
from leaven.view import again, answers, data_map, live, marking, overview, tables, watch
from leaven.view.answers import Answers, Query
from leaven.view.rows import Query as RowsQuery
from leaven.view.rows import Rows

FORMATTED = ("unseen_phrasing", "task")
"""Tests whose references are in the format."""
EXAMPLES = 200
T = TypeVar("T", Query, RowsQuery)


@dataclass
class Source:
    """A run. Cells that end while it is looked at are there at the next question."""

    folder: Path

    def __post_init__(self) -> None:
        """Raises UserError for a folder that is no run."""
        if not overview.is_run(self.folder):
            problem = "holds no run" if self.folder.exists() else "does not exist"
            raise UserError(f"{self.folder} {problem}", "Name the folder of a study or a lift: leaven view RUN.")
        self._lock = Lock()
        self._answers: tuple[tuple[Path, ...], Answers] | None = None
        self._detector: Format | None = None

    @property
    def is_lift(self) -> bool:
        """Whether it is a lift."""
        return overview.is_lift(self.folder)

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The recipe, as it is written."""
        return marking.recipe_of(self.folder)

    @property
    def detector(self) -> Format | None:
        """The study's format."""
        with self._lock:
            if self._detector is None and (references := self._references()):
                self._detector = marking.detector(self.recipe, references)
            return self._detector

    def _references(self) -> list[str]:
        """What right answers of a test of the format are; empty as long as no cell is done."""
        if self._answers is None or not self._answers[1].cells:
            return []
        questions = self._answers[1].questions.filter(pl.col("test").is_in(FORMATTED))
        return questions["reference"].drop_nulls().unique(maintain_order=True).head(EXAMPLES).to_list()

    @property
    def answers(self) -> Answers:
        """The answers of the cells that are done by now."""
        cells = tuple(sorted(self.folder.glob("cells/*/DONE")))
        with self._lock:
            if self._answers is None or self._answers[0] != cells:
                token = (self.recipe.get("token") or {}).get("text") or ""
                self._answers = (cells, answers.read(self.folder, token))
            return self._answers[1]

    def run(self) -> dict[str, Any]:
        """The first page."""
        return (
            overview.of_lift(self.folder)
            if self.is_lift
            else overview.of_study(self.folder, self.answers, self.detector)
        )

    def page(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """A page of questions with their answers."""
        query = read(Query, parameters)
        page = self.answers.page(query, self._lower(query))
        return {**page, "questions": [marking.mark(question, self.detector) for question in page["questions"]]}

    def difference(self, parameters: Mapping[str, str]) -> dict[str, Any] | None:
        """The paired difference of two methods on the questions of a query."""
        return self.answers.difference(read(Query, parameters))

    def facets(self) -> dict[str, Any]:
        """What the rows of a lift can be filtered and sorted by, and the thresholds that can be tried."""
        audit = self._rows
        return {**audit.facets(), "sliders": again.sliders(self.folder)}

    def rows(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """A page of the rows of a lift."""
        return self._rows.page(read(RowsQuery, parameters))

    def story(self, parameters: Mapping[str, str]) -> dict[str, Any] | None:
        """The story of one row."""
        return self._rows.story(int(_number(parameters.get("row", "-1"))))

    @cached_property
    def map(self) -> dict[str, Any]:
        """The rows of a lift as points."""
        return data_map.points(self.folder)

    def texts(self, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        """The rows whose numbers are asked for, with their whole texts."""
        return self._rows.texts([int(number) for number in parameters.get("rows", "").split(",") if number.isdecimal()])

    def decide(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """What a lift would keep with other thresholds."""
        with self._lock:  # one at a time: each takes the machine
            return again.decide(self.folder, {name: _number(text) for name, text in parameters.items()})

    def live(self) -> dict[str, Any]:
        """The run as it goes."""
        return live.state(self.folder)

    def watch(self, parameters: Mapping[str, str]) -> dict[str, Any] | None:
        """What the model of a cell said as it learnt; of the main method's first cell unless one is named."""
        cells = watch.cells(self.folder)
        if not cells:
            return None
        cell = parameters["cell"] if parameters.get("cell") in cells else cells[0]
        return {**watch.grid(self.folder, cell, self.detector), "cells": cells}

    @property
    def _rows(self) -> Rows:
        path = self.folder / "audit.parquet"
        if not path.is_file():
            raise UserError(f"{self.folder} holds no finished lift", "Its rows can be read when it is at its end.")
        return Rows(pl.scan_parquet(path))

    def _lower(self, query: Query) -> bool:
        """Whether a lower mark is the better one."""
        path = self.folder / "summary.json"
        low = tables.read_summary(self.folder)["lower_is_better"] if path.is_file() else ()
        return bool(overview.measure_in_words(query.test, query.measure, low)["lower_is_better"])


def read(kind: type[T], parameters: Mapping[str, str]) -> T:
    """The query that an address holds; what it does not know is left out. Raises UserError for what is no query."""
    types = {field.name: field.type for field in fields(kind)}
    constructor: Any = kind  # mypy can't tell that each value has its field's type
    try:
        values = {name: text for name, text in parameters.items() if name in types}
        query: T = constructor(**{name: int(text) if types[name] is int else text for name, text in values.items()})
    except (TypeError, ValueError) as error:
        raise UserError(f"the page asked for something that is no query: {error}") from None
    if query.page < 0:
        raise UserError(f"the page asked for something that is no query: page {query.page}")
    return query


def _number(text: str) -> float:
    """A number of an address. Raises UserError for what is none, or none that is finite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"the page asked for something that is no query: {text!r} is no number")
    return value
