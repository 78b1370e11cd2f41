"""Rows from whatever a user has: memory, frames, the hub, own fields; what can't be used is said or refused."""

import json
import sys
import types

import polars as pl
import pytest

from leaven.errors import UserError
from leaven.rows import columns, files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Message, Origin, pair

DICTS = [{"prompt": "a", "completion": "b", "level": 3}, {"prompt": "c", "completion": None}]


def turns(outcome):
    return [[message[:2] for message in row.messages] for row in outcome.kept]


def in_pandas(rows):
    return pytest.importorskip("pandas").DataFrame(rows)


def in_datasets(rows):
    return pytest.importorskip("datasets").Dataset.from_list(rows)


@pytest.mark.parametrize("hold", [list, tuple, iter, pl.DataFrame, pl.LazyFrame, in_pandas, in_datasets])
def test_rows_of_every_kind_are_the_same_rows(hold):
    outcome = files.read(hold(DICTS))
    assert turns(outcome) == [[("user", "a"), ("assistant", "b")], [("user", "c")]]
    assert [row.origin.place for row in outcome.kept] == ["rows[0]", "rows[1]"]
    assert outcome.kept[0].meta == {"level": 3}


def test_a_row_may_be_messages_an_example_or_a_bare_question():
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert turns(files.read([talk])) == [[("user", "a"), ("assistant", "b")]]
    assert turns(files.read([(Message("user", "a"),)])) == [[("user", "a")]]
    assert turns(files.read([pair("a", "b", Origin("x"))])) == [[("user", "a"), ("assistant", "b")]]
    assert turns(files.read(["What?", "Why?"])) == [[("user", "What?")], [("user", "Why?")]]
    frame = pl.DataFrame({"messages": [talk]})
    assert turns(files.read(frame)) == turns(files.read(frame.to_dicts())) == turns(files.read([talk]))


def test_a_dataset_and_an_outcome_are_rows_already():
    data = Dataset.of([pair("a", "b", Origin("x"))])
    outcome = files.read(data)
    assert outcome.kept is data
    assert files.read(outcome) is outcome


HALF = "a\ud800b"
WHOLE = {"prompt": "a", "completion": "b"}


@pytest.mark.parametrize(
    ("row", "other"),
    [
        (WHOLE | {"prompt": HALF}, WHOLE),
        (WHOLE | {"note": {"x": [HALF]}}, WHOLE),
        (WHOLE | {HALF: 1}, WHOLE),
        (WHOLE | {"prompt": json.dumps([{"role": "user", "content": HALF}])}, WHOLE),
        (HALF, "a"),
        ([Message("user", HALF)], "a"),
        (pair("a", HALF, Origin("x")), "a"),
    ],
)
def test_half_a_character_in_memory_is_refused_as_that_in_a_file_is(row, other, tmp_path):
    outcome = files.read([row, other])
    assert [drop.reason for drop in outcome.dropped] == ["half a character"]
    assert len(outcome.kept) == 1
    files.write_rejects(outcome, tmp_path / "rejects.jsonl")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "there are no rows"),
        (7, "int is no list of rows"),
        ({"prompt": "a"}, "dict is no list of rows"),
        ([{"role": "user", "content": "a"}], "the messages of one row"),
        ({"train": 1}, "dict is no list of rows"),
        ([3, 4], r"rows\[0\]: it is int"),
    ],
)
def test_what_holds_no_rows_is_said(rows, sentence):
    with pytest.raises(UserError, match=sentence):
        files.read(rows)


def test_several_splits_are_named():
    datasets = pytest.importorskip("datasets")
    with pytest.raises(UserError, match="2 datasets: train, test") as error:
        files.read(datasets.DatasetDict({name: in_datasets(DICTS) for name in ("train", "test")}))
    assert "rows['train']" in error.value.hint


def test_columns_name_the_fields():
    rows = [{"ask": "a", "say": "b", "who": "s", "n": 1}, {"ask": "c"}]
    for named in ("question=ask,answer=say,system=who", {"question": "ask", "answer": "say", "system": "who"}):
        outcome = files.read(rows, columns=named)
        assert turns(outcome) == [[("system", "s"), ("user", "a"), ("assistant", "b")], [("user", "c")]]
        assert outcome.kept[0].meta == {"n": 1}
    talk = [{"talk": [{"role": "user", "content": "a"}]}]
    assert turns(files.read(talk, columns="messages=talk")) == [[("user", "a")]]


@pytest.mark.parametrize(
    ("named", "sentence", "hint"),
    [
        ("question=asks", "no row has the field 'asks'", "'ask'"),
        ("quesion=ask", "a row has no 'quesion'", "'question'"),
        ("question", "'question' without a field", "question=FIELD"),
        ("answer=say", "which field is the question", "question=FIELD"),
    ],
)
def test_wrong_columns_are_said_with_what_is_there(named, sentence, hint):
    with pytest.raises(UserError, match=sentence) as error:
        files.read([{"ask": "a", "say": "b"}], columns=named)
    assert hint in error.value.hint


def test_columns_and_a_format_are_one_too_many():
    with pytest.raises(UserError, match="--columns goes without --format"):
        files.read([{"ask": "a"}], "alpaca", columns="question=ask")
    assert columns.parse("") == {}


def test_a_broken_line_is_said_at_the_end_and_refused_by_strict(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n{"prompt": "c", "completion": "d"}\n')
    outcome = files.read(path)
    assert [row.origin.place for row in outcome.kept] == ["data.jsonl:1", "data.jsonl:3"]
    sentence = "1 row can't be used and is left out: data.jsonl:2, broken JSON."
    assert files.left_out(outcome.dropped) == sentence
    assert files.left_out(()) == ""
    with pytest.raises(UserError, match=r"left out: data\.jsonl:2, broken JSON"):
        files.read(path, strict=True)
    with pytest.raises(UserError, match=r"2 rows can't be used and are left out: rows\[0\] \(the first\)"):
        files.read([{}, {}, {"prompt": "a"}], strict=True)


def test_a_dataset_of_the_hub_comes_through_datasets(monkeypatch):
    calls = []

    def load_dataset(name, config, split):
        calls.append((name, config, split))
        return [{"question": "a", "answer": "b", "note": None}]

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    for spec in ("user/name", "user/name:test", "user/name:main/test"):
        outcome = files.read(spec)
        assert turns(outcome) == [[("user", "a"), ("assistant", "b")]]
        assert outcome.kept[0].origin.place == f"{spec}[0]"
        assert outcome.kept[0].meta == {}
    assert calls == [("user/name", None, "train"), ("user/name", None, "test"), ("user/name", "main", "test")]


def test_without_datasets_the_parquet_files_of_the_hub_are_read(monkeypatch, tmp_path):
    import huggingface_hub

    pl.DataFrame(DICTS).write_parquet(tmp_path / "rows.parquet")
    there = ["default/test/0000.parquet", "default/train/0000.parquet", "default/train/0001.parquet", "README.md"]
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda self, name, **where: there)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, path, **where: str(tmp_path / "rows.parquet"))
    assert len(files.read("user/name").kept) == 4
    with pytest.raises(UserError, match="has no default/dev") as error:
        files.read("user/name:dev")
    assert "default/test, default/train" in error.value.hint


def test_offline_the_hub_is_a_clear_error():
    with pytest.raises(UserError, match="user/name is no file here, and the hub's dataset can't be had") as error:
        files.read("user/name")
    assert "Check the path" in error.value.hint


def test_a_missing_file_is_no_dataset_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"data/train\.jsonl does not exist"):
        files.read("data/train.jsonl")
