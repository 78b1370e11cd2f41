"""The tasks that ship are tasks: enough rows to hold a test out, an answer in each, no question twice."""

import pytest

from leaven.errors import UserError
from leaven.study import examples


@pytest.mark.parametrize("name", examples.names())
def test_an_example_is_a_task(name):
    rows = list(examples.rows(name))
    assert len(rows) >= 40
    assert all(row.answer for row in rows)
    assert len({row.question for row in rows}) == len(rows)


def test_an_unknown_one_is_said_with_the_nearest():
    with pytest.raises(UserError, match="no example 'lst'") as error:
        examples.rows("lst")
    assert "'list'" in error.value.hint
