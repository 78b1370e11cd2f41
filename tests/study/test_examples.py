"""The tasks that ship are tasks: enough rows to hold a test out, an answer in each, no question twice."""

import pytest

from leaven.errors import UserError
from leaven.study import examples


@pytest.mark.parametrize("name", [name for name in examples.names() if name != examples.OWN])
def test_an_example_is_a_task(name):
    rows = list(examples.rows(name))
    assert len(rows) >= 40
    assert all(row.answer for row in rows)
    assert len({row.question for row in rows}) == len(rows)


def test_an_unknown_one_is_said_with_the_nearest():
    with pytest.raises(UserError, match="no example 'lst'") as error:
        examples.rows("lst")
    assert "'list'" in error.value.hint


def test_the_example_of_a_models_own_answers_asks_for_the_model_and_no_other_does():
    with pytest.raises(UserError, match="own is answered by a model") as error:
        examples.rows("own")
    assert "--model smollm2" in error.value.hint
    with pytest.raises(UserError, match="list has answers of its own"):
        examples.rows("list", "lab")
