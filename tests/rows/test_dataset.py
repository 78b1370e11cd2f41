import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin, pair
from leaven.rows.outcomes import Outcome

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
EXAMPLES = st.lists(
    st.builds(
        lambda q, a, place, meta: pair(q, a, Origin("test", place, ("p",), "m", "h", 3), meta),
        TEXT, TEXT, TEXT, st.dictionaries(TEXT, st.one_of(st.integers(-9, 9), TEXT, st.none()), max_size=2),
    ),
    max_size=8,
)  # fmt: skip


def rows(n):
    return Dataset.of(pair(f"question {i}", f"answer {i}", Origin("test")) for i in range(n))


@given(EXAMPLES)
def test_examples_come_out_as_they_went_in(examples):
    data = Dataset.of(examples)
    assert list(data) == examples
    assert [data[i] for i in range(len(data))] == examples


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
def test_smaller_draw_is_inside_larger_draw(a, b, seed):
    small, large = sorted((a, b))
    data = rows(30)
    assert list(data.take(large, seed))[:small] == list(data.take(small, seed))


@given(st.integers(0, 20), st.integers(0, 3))
def test_split_loses_and_repeats_nothing(n, seed):
    drawn, left = rows(20).split(n, seed)
    assert sorted(e.id for e in drawn + left) == sorted(e.id for e in rows(20))
    assert len(drawn) == n


def test_save_and_load_give_the_same_rows(tmp_path):
    rows(5).save(tmp_path / "deep" / "rows.parquet")
    assert list(Dataset.load(tmp_path / "deep" / "rows.parquet")) == list(rows(5))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["rows.parquet"]


def test_taking_more_than_there_is_says_how_many_there_are():
    with pytest.raises(UserError, match="8 rows are asked for, but only 5"):
        rows(5).take(8, 0)


def test_the_id_depends_on_the_messages_alone():
    one = pair("a", "b", Origin("x"), {"k": 1})
    assert one.id == pair("a", "b", Origin("y")).id
    assert one.id != pair("a", "c", Origin("x")).id
    assert len(one.id) == 12


def test_prompt_question_and_answer():
    turns = (Message("system", "s"), Message("user", "q"), Message("assistant", "a"))
    row = Example(turns, Origin("x"))
    assert (row.prompt, row.question, row.answer) == (turns[:2], "q", "a")
    bare = Example(turns[:2], Origin("x"))
    assert (bare.prompt, bare.answer) == (turns[:2], None)


def test_an_outcome_says_what_was_dropped():
    drop = Drop(pair("a", "b", Origin("x")), "too long")
    assert Outcome(rows(2), (drop, drop)).summary() == "2 kept; 2 dropped: too long"
