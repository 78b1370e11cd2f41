"""Rows survive every format and kind of file; those that can't be used are named."""

import gzip
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.shared import DATA, with_data

from leaven.errors import UserError
from leaven.rows import files, jsonl
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00\r"), min_size=1, max_size=30).filter(
    str.strip
)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5)
KINDS = ("jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz", "csv.gz")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", ["messages", "alpaca", "sharegpt", "prompt-completion"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=PAIRS)
def test_rows_come_back_as_they_went(tmp_path, kind, format, pairs):
    data = Dataset.of(pair(q, a, Origin("x"), {"level": "3", "tag": "t"}) for q, a in pairs)
    files.write(data, tmp_path / f"rows.{kind}", format)
    found = files.read(tmp_path / f"rows.{kind}")
    assert [row.messages for row in found.kept] == [row.messages for row in data]
    assert all(row.meta["level"] == "3" for row in found.kept)
    assert f"format {format} (detected)" in found.notes[0]
    assert not found.dropped


def test_conversations_keep_all_turns(tmp_path):
    turns = (Message("system", "s"), Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    data = Dataset.of([Example(turns, Origin("x"))])
    for format in ("messages", "sharegpt", "alpaca"):
        files.write(data, tmp_path / "rows.jsonl", format)
        assert files.read(tmp_path / "rows.jsonl").kept[0].messages == turns
    called = Message("assistant", "", json.dumps({"tool_calls": [{"function": {"name": "f", "arguments": {}}}]}))
    with pytest.raises(UserError, match="alpaca can't hold"):
        files.write(Dataset.of([Example((*turns, called), Origin("x"))]), tmp_path / "rows.jsonl", "alpaca")


def test_rows_that_can_not_be_used_are_listed_with_line_and_reason(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n\n{"prompt": 3}\n[1]\n{"completion": "c"}\n')
    found = files.read(path)
    assert len(found.kept) == 1
    assert [drop.detail.split(": ")[0] for drop in found.dropped] == [f"rows.jsonl:{n}" for n in (2, 4, 5, 6)]
    assert "broken JSON" in found.dropped[0].reason
    files.write_rejects(found, tmp_path / "rejects.jsonl")
    assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == 4


def test_only_line_feeds_end_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a\u2028b\u0085c", "completion": "d"}\n', encoding="utf-8")
    assert files.read(path).kept[0].question == "a\u2028b\u0085c"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"prompt": "a"}\n')
    assert files.read(path).kept[0].question == "a"


def test_pipes(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"prompt": "a", "completion": "b"}\n')))
    files.write(files.read("-").kept, "-", "alpaca")
    assert capsys.readouterr().out == '{"instruction": "a", "input": "", "output": "b"}\n'


def test_a_list_wrapped_in_an_object(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('{"version": 1, "data": [{"prompt": "a"}, {"prompt": "b"}]}')
    assert [row.question for row in files.read(path).kept] == ["a", "b"]


def test_rows_of_several_formats_in_one_file_are_each_read_in_their_own(tmp_path):
    path = tmp_path / "mixed.jsonl"
    turns = [{"role": "user", "content": "q2"}, {"role": "assistant", "content": "a2"}]
    rows = [{"instruction": "q1", "output": "a1"}, {"messages": turns}, {"instruction": "q3", "output": "a3"}, {"x": 1}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sentence = (
        "mixed.jsonl: 3 of 4 rows, format alpaca (detected), fields instruction (+ input)/output, and 1 of messages; "
        "1 can't"
    )
    for outcome in (files.read(path), jsonl.read(path, tmp_path / "into")):
        assert [(row.question, row.answer) for row in outcome.kept] == [("q1", "a1"), ("q2", "a2"), ("q3", "a3")]
        assert outcome.notes[0].startswith(sentence)
    given = files.read(path, "alpaca")  # what is named is meant
    assert len(given.kept) == 2 and "of messages" not in given.notes[0]


def test_of_the_folder_of_a_lift_what_it_kept_is_named(tmp_path):
    for name in ("audit.parquet", "kept.jsonl", "kept.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="is a folder") as error:
        files.read(tmp_path)
    assert "kept.jsonl" in error.value.hint


def test_a_written_gzip_is_the_same_every_time(tmp_path):
    data = Dataset.of([pair("a", "b", Origin("x"))])
    for name in ("one", "two"):
        files.write(data, tmp_path / f"{name}.jsonl.gz")
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()
    assert gzip.decompress((tmp_path / "one.jsonl.gz").read_bytes()).startswith(b"{")


@with_data
@pytest.mark.parametrize(
    ("name", "rows", "dropped"),
    [
        ("delia_halu/train_dataset.jsonl", 100, 0),
        ("tell_halu/test_Halu_CoT_JSON.shared.jsonl", 1006, 0),
        ("lima/lima.json.gz", 1029, 0),
        ("instructionwild/user_2.jsonl", 246, 2),
        ("self_instruct/seed_tasks.jsonl", 175, 0),
        ("codealpaca/code_alpaca_2k.json", 2017, 0),
    ],
)
def test_public_files_are_read(name, rows, dropped):
    found = files.read(DATA / name)
    assert (len(found.kept), len(found.dropped)) == (rows, dropped)
