"""The rows of a lift for its page: filtered and paged from the audit, and the story of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from leaven.lift import provenance
from leaven.lift.audit import PAST
from leaven.view.marking import cut

PAGE = 30
CHILDREN = 50
BRIEF = 240
"""Characters of a text in the list."""
LISTED = ("row", "place", "step", "strategy", "round", "verdict", "stage", "reason", "question", "answer")


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows are wanted: by verdict, by the stage that dropped them, by where they are from, by their words."""

    verdict: str = ""
    stage: str = ""
    step: str = ""
    search: str = ""
    sort: str = ""
    """A column of figures, the highest first; "": as they were made."""
    page: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """The audit of a finished lift, read as far as a question needs it."""

    frame: pl.LazyFrame

    def facets(self) -> dict[str, Any]:
        """How many rows each verdict, each dropping stage and each maker has, and the figures to sort by."""
        counts = {
            name: self.frame.filter(pl.col(name) != "").group_by(name).len("rows").sort("rows", descending=True)
            for name in ("verdict", "stage", "step")
        }
        tables = dict(zip(counts, pl.collect_all(list(counts.values())), strict=True))
        return {**{name: table.rows() for name, table in tables.items()}, "scores": self.scores()}

    def scores(self) -> list[str]:
        """The columns of what stages measured, and the cosine to the nearest kept row."""
        return [name for name, kind in self.frame.collect_schema().items()
                if kind == pl.Float64 and not name.endswith("_rank")]  # fmt: skip

    def page(self, query: Query) -> dict[str, Any]:
        """How many rows there are, how many the query leaves, and those of its page."""
        selection = self.frame.filter(*_conditions(query))
        if query.sort in self.scores():
            selection = selection.sort(query.sort, "row", descending=[True, False], nulls_last=True)
        brief = [pl.col(name).str.slice(0, BRIEF) for name in ("question", "answer")]
        own = [name for name in (*LISTED, query.sort) if name in self.frame.collect_schema().names()]
        part = selection.select(own).with_columns(brief).slice(query.page * PAGE, PAGE)
        total, hits, rows = pl.collect_all([self.frame.select(pl.len()), selection.select(pl.len()), part])
        return {
            "total": total.item(),
            "hits": hits.item(),
            "pages": -(-hits.item() // PAGE),
            "rows": [{**row, "score": row.get(query.sort)} for row in rows.to_dicts()],
        }

    def texts(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """These rows in their order with their whole texts, as an export of what is marked holds them."""
        return self.frame.filter(pl.col("row").is_in(numbers)).select("id", *LISTED).collect().to_dicts()

    def story(self, number: int) -> dict[str, Any] | None:
        """Where a row came from and what became of it; None where there is no such row.

        Told are its line of parents, its children, what each stage measured and said, the kept row that is nearest to
        it, and the verdict.
        """
        rows = self._of([number])
        if not rows:
            return None
        row = rows[0]
        near = self._of([row["nearest_kept"]]) if row["nearest_kept"] is not None else []
        children = self.frame.filter(pl.col("parent") == number).select(LISTED).head(CHILDREN).collect()
        return {
            **_origin(row),
            "stages": _stages(row),
            "parents": [_origin(one) for one in self._line(row)],
            "children": [_origin(one) for one in children.to_dicts()],
            "nearest": {**_origin(near[0]), "cosine": row["nearest_cosine"]} if near else None,
        }

    def _line(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The row's parent, its parent, and so on: the first row, which was read, stands last."""
        line: list[dict[str, Any]] = []
        while row["parent"] is not None and (parents := self._of([row["parent"]])):
            row = parents[0]
            line.append(dict(row))
        return line

    def _of(self, numbers: list[int]) -> list[dict[str, Any]]:
        return self.frame.filter(pl.col("row").is_in(numbers)).collect().to_dicts()


def _conditions(query: Query) -> list[pl.Expr]:
    choices = {"verdict": query.verdict, "stage": query.stage, "step": query.step}
    conditions = [pl.col(name) == value for name, value in choices.items() if value]
    if query.search:
        pattern = f"(?i){pl.escape_regex(query.search)}"
        says = pl.col("question").str.contains(pattern) | pl.col("answer").str.contains(pattern).fill_null(False)
        conditions.append(says | (pl.col("place") == query.search) | (pl.col("row").cast(pl.String) == query.search))
    return conditions or [pl.lit(True)]


def _origin(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's origin, verdict and texts."""
    names = ("row", "id", "place", "step", "strategy", "round", "model", "prompt", "verdict", "stage", "reason",
             "detail", "parent")  # fmt: skip
    return {
        **{name: row.get(name) for name in names},
        "question": cut(row["question"]),
        "answer": cut(row["answer"]),
    }


def _stages(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each stage measured of the row, in the order of the stages, what was said of it, and whether it passed."""
    reasons = provenance.reasons(row)
    stages = []
    for name in (column.removesuffix("_rank") for column in row if column.endswith("_rank")):
        values = {
            key.removeprefix(f"{name}_"): value
            for key, value in row.items()
            if (key == name or key.startswith(f"{name}_")) and not key.endswith(provenance.SAID) and value is not None
        }
        if values or name in reasons or row["stage"] == name:
            verdict = row["reason"] if row["stage"] == name else PAST.get(name, "kept")
            stages.append(
                {"stage": name, "values": values, "said": reasons.get(name, ""), "passed": row["stage"] != name,
                 "verdict": verdict}
            )  # fmt: skip
    return stages
