"""Rows are kept by a mark that they bring."""

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
    with pytest.raises(UserError, match=r"f:1: the field 'mark' is .*, not a number"):
        select(marks, marked(1, value), marks.Config(n=1, field="mark"), context())
