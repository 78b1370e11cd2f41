"""Rows are kept by a mark that they bring."""

import polars as pl
import pytest

from leaven.errors import UserError
from leaven.lift.selectors import marks
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair


def marked(*values):
    return Dataset.of(
        pair(f"q{place}", "a", Origin("test", f"f:{place}"), {} if value is None else {"mark": value})
        for place, value in enumerate(values)
    )


def test_the_highest_marks_stay_and_of_equals_the_first(context, select):
    found = select(marks, marked(1, 4.5, 3, 4.5, 3), marks.Config(n=3, field="mark"), context())
    assert found.positions == (1, 2, 3) and found.scores["mark"] == (1.0, 4.5, 3.0, 4.5, 3.0)
    assert {drop.reason for drop in found.dropped} == {"a lower mark"}


@pytest.mark.parametrize("value", ["4", True, None, float("nan")])
def test_a_row_without_a_number_is_named(value, context, select):
    what = "is not there" if value is None else "is .*, not a number"
    with pytest.raises(UserError, match=rf"f:1: the field 'mark' {what}"):
        select(marks, marked(1, value), marks.Config(n=1, field="mark"), context())


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_marks_in_a_file_are_those_of_the_rows_ids(kind, tmp_path, context, select):
    rows, path = marked(None, None, None, None), tmp_path / f"marks.{kind}"
    ids = [row.id for row in rows]
    table = pl.DataFrame({"id": [ids[2], "other", *ids], "mark": [None, 9.0, 1.0, 4.5, 3.0, 4.5], "more": 1})
    {"parquet": table.write_parquet, "csv": table.write_csv, "jsonl": table.write_ndjson}[kind](path)
    own = {"field": "mark", "file": str(path)}
    found = select(marks, rows, marks.Config(n=2, **own), context())
    assert found.positions == (1, 3) and found.scores["mark"] == (1.0, 4.5, 3.0, 4.5)
    with pytest.raises(UserError, match=r"no mark 'mark' for 1 of 5 rows, the first is f:4"):
        select(marks, marked(*[None] * 5), marks.Config(n=2, **own), context())


def test_a_file_that_holds_no_marks_is_said(tmp_path, context, select):
    (tmp_path / "marks.csv").write_text("id,marks\nx,1\n")
    (tmp_path / "broken.parquet").write_text("no")
    for name, problem in [
        ("marks.csv", "has no column 'mark'"), ("absent.csv", "does not exist"), ("marks.txt", "is no table of marks"),
        ("broken.parquet", "can't be read"),
    ]:  # fmt: skip
        with pytest.raises(UserError, match=problem):
            select(marks, marked(1), marks.Config(n=1, field="mark", file=str(tmp_path / name)), context())
