"""Rows that lie in Parquet are those in memory, whatever is asked of them; texts as columns are those of examples."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.rows import shards, texts
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair

CALLS = json.dumps({"tool_calls": [{"type": "function", "function": {"name": "clock", "arguments": {}}}]})
TURNS = st.builds(
    Message, st.sampled_from(["user", "assistant", "system", "tool"]), st.text(max_size=9), st.sampled_from(["", CALLS])
)
EXAMPLES = st.builds(
    Example,
    st.lists(TURNS, max_size=4).map(tuple),
    st.builds(Origin, st.just("test"), st.sampled_from([None, "f:1", "f:2"])),
    st.dictionaries(st.sampled_from(["mark", 'a "b"', "é"]), st.integers() | st.text(max_size=3), max_size=2),
)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(shards, "BATCH", 3)


@pytest.fixture
def rows(tmp_path, small):
    whole = Dataset.of(pair(f"q{i}", "a" * i, Origin("test", f"f:{i}"), {"number": i}) for i in range(11))
    shards.write(tmp_path / "rows.parquet", whole.batches, whole.frame.schema)
    return whole, Dataset.open(tmp_path / "rows.parquet")


def test_what_lies_in_parquet_is_what_is_in_memory(rows, tmp_path):
    whole, there = rows
    picks = ([], [0], [2, 3, 9], [9, 2, 2], list(range(11)))
    for one in (whole, there, there.rows(list(range(11)))):
        assert list(one) == list(whole) and one[4] == whole[4] and one[-1] == whole[10] and len(one) == 11
        assert [list(one.rows(pick)) for pick in picks] == [[whole[place] for place in pick] for pick in picks]
        assert list(one.take(5, 3)) == list(whole.take(5, 3)) and list(one + whole) == [*whole, *whole]
    assert list(there.rows([1, 4, 7, 8]).rows([0, 2])) == [whole[1], whole[7]]
    assert [frame.height for frame in there.batches()] == [3, 3, 3, 2]
    there.rows([1, 5]).save(tmp_path / "some.parquet")
    assert list(Dataset.load(tmp_path / "some.parquet")) == [whole[1], whole[5]]


@given(st.lists(EXAMPLES, max_size=7))
def test_texts_lengths_ids_and_places_are_those_of_the_examples(examples):
    data = Dataset.of(examples)
    whole = {
        "all": ["\n".join(turn.text for turn in row.messages) for row in examples],
        "question": [row.question for row in examples],
        "answer": [row.answer for row in examples],
    }
    for part, expected in whole.items():
        assert [text for batch in texts.batches(data, part) for text in batch] == expected
        assert texts.lengths(data, part).tolist() == [len(text or "") for text in expected]
    assert texts.ids(data).to_list() == [row.id for row in examples]
    assert texts.places(data).to_list() == [row.origin.place or row.id for row in examples]
    for field in ("mark", 'a "b"', "é"):
        assert list(texts.meta(data, field)) == [row.meta.get(field) for row in examples]
