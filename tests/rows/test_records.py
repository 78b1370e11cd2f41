import gzip
import io
import json
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaven.errors import UserError
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin, pair, user

ROW = '{"prompt": "a?", "completion": "b"}\n'
HERE = Origin("test")


def read(folder, content, name="rows.jsonl", **options):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return files.read(path, **options)


UNREADABLE = {
    "empty": ("rows.jsonl", "", "holds no rows"),
    "blank": ("rows.jsonl", "\n \n", "holds no rows"),
    "empty list": ("rows.json", "[]", "holds no rows"),
    "header only": ("rows.csv", "prompt,completion\n", "holds no rows"),
    "latin 1": ("rows.jsonl", ROW.encode() + '{"prompt": "é"}'.encode("latin1"), "line 2, byte 48"),
    "utf 16": ("rows.jsonl", ROW.encode("utf-16"), "UTF-16"),
    "unknown suffix": ("rows.txt", ROW, "no suffix that leaven knows"),
    "not gzip": ("rows.jsonl.gz", ROW, "not a whole gzip file"),
    "cut gzip": ("rows.jsonl.gz", gzip.compress(ROW.encode() * 50, mtime=0)[:-12], "not a whole gzip file"),
    "not parquet": ("rows.parquet", "PAR0", "not a Parquet file"),
    "broken json": ("rows.json", '[{"prompt": "a"},\n', "line 2 column 1"),
    "no object": ("rows.json", "3", "not an object"),
    "all lines broken": ("rows.jsonl", "{a\n{b\n", "none of the 2 rows"),
    "unknown fields": ("rows.jsonl", '{"foo": "q", "bar": "a"}\n', "bar, foo"),
    "two formats": (
        "rows.jsonl",
        '{"messages": [{"role": "user", "content": "q"}], "conversations": [{"from": "human", "value": "z"}]}',
        "more than one format",
    ),
    "two pairs": ("rows.jsonl", '{"prompt": "q", "completion": "a", "question": "x", "answer": "y"}', "more than one"),
    "two tables": ("rows.json", '{"train": [{"prompt": "q"}], "test": [{"prompt": "r"}], "n": 1}', "train, test"),
    "field named twice": ("rows.csv", "prompt,prompt\na,b\n", "'prompt' twice"),
    "no user turn": ("rows.jsonl", '{"messages": [{"role": "assistant", "content": "a"}]}', "no question"),
}


@pytest.mark.parametrize("name, content, said", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_file_is_an_error_that_names_it_and_says_what_to_do(tmp_path, name, content, said):
    with pytest.raises(UserError, match=said) as error:
        read(tmp_path, content, name)
    assert error.value.hint


def test_missing_file_and_folder_are_errors_that_name_what_is_there(tmp_path):
    read(tmp_path, ROW, "train.jsonl")
    with pytest.raises(UserError, match="does not exist") as missing:
        files.read(tmp_path / "trian.jsonl")
    assert "train.jsonl" in missing.value.hint
    with pytest.raises(UserError, match="is a folder") as folder:
        files.read(tmp_path)
    assert "train.jsonl" in folder.value.hint
    read(tmp_path, ROW, "more.jsonl")
    with pytest.raises(UserError) as shards:
        files.read(tmp_path)
    assert f"cat {tmp_path}/*.jsonl | leaven" in shards.value.hint


def test_what_is_packed_otherwise_is_no_unknown_kind_and_the_hint_unpacks_it(tmp_path):
    (tmp_path / "train.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    with pytest.raises(UserError, match="is packed in a way") as packed:
        files.read(tmp_path / "train.jsonl.zst")
    assert "zstd -d" in packed.value.hint


DROPPED = {
    "broken JSON": "{bad",
    "broken JSON, deep": "[" * 100_000,
    "broken JSON, large number": '{"prompt": "a", "n": ' + "9" * 5000 + "}",
    "not an object": "[1]",
    "missing field": '{"other": "x"}',
    "not a text": '{"prompt": 3, "completion": "b"}',
    "not a text, answer": '{"prompt": "a", "completion": {"b": 1}}',
    "empty question": '{"prompt": " ", "completion": "b"}',
    "no question": '{"prompt": [], "completion": "b"}',
    "wrong role": '{"prompt": [{"role": "narrator", "content": "x"}], "completion": "b"}',
    "not a turn": '{"prompt": ["x"], "completion": "b"}',
    "half a character": '{"prompt": "\\ud800", "completion": "b"}',
    "half a character, elsewhere": '{"prompt": "a", "note": "\\udfff"}',
}


@pytest.mark.parametrize("reason, line", DROPPED.items(), ids=DROPPED)
def test_unusable_row_is_dropped_with_reason_place_and_text(tmp_path, reason, line):
    outcome = read(tmp_path, f"{ROW}\n{line}\n{ROW}")
    (drop,) = outcome.dropped
    assert len(outcome.kept) == 2
    assert drop.reason == reason.split(",")[0]
    assert drop.example.origin.place == "rows.jsonl:3"
    assert drop.example.question == line
    assert drop.detail.startswith("rows.jsonl:3: ")
    assert "2 of 3 rows" in outcome.notes[0]


def test_broken_cells_of_a_table_are_dropped_and_hide_no_row(tmp_path):
    outcome = read(tmp_path, 'prompt,completion\na,b,c\n"two\nlines",d\ne,f\n"g,h\ni,j\n', "rows.csv")
    assert [example.origin.place for example in outcome.kept] == ["rows.csv:3", "rows.csv:5"]
    assert [drop.reason for drop in outcome.dropped] == ["too many cells", "broken CSV"]
    assert outcome.dropped[1].example.question == '"g,h\ni,j\n'


def test_rejects_hold_what_was_dropped_as_it_came(tmp_path):
    outcome = read(tmp_path, ROW + "{bad\n")
    files.write_rejects(outcome, tmp_path / "out.rejects.jsonl")
    (reject,) = map(json.loads, (tmp_path / "out.rejects.jsonl").read_text().splitlines())
    assert set(reject) == {"reason", "detail", "place", "text"}
    assert (reject["place"], reject["text"]) == ("rows.jsonl:2", "{bad")


def test_lines_end_with_line_feeds_alone(tmp_path):
    (example,) = read(tmp_path, ROW.replace("a?", "a\u2028b\u0085c")).kept
    assert example.question == "a\u2028b\u0085c"


@pytest.mark.parametrize("change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: t.rstrip()])
def test_byte_order_mark_and_line_ends_do_not_matter(tmp_path, change):
    assert [example.messages for example in read(tmp_path, change(ROW * 2)).kept] == [
        pair("a?", "b", HERE).messages
    ] * 2


@pytest.mark.parametrize(
    "name, content",
    [
        ("rows.json", '[{"prompt": "a?", "completion": "b"}]'),
        ("rows.json", '{"version": 1, "data": [{"prompt": "a?", "completion": "b"}]}'),
        ("rows.json", '{"prompt": ["a?"], "completion": ["b"]}'),
        ("rows.json", '{"prompt": "a?", "completion": "b"}'),
        ("rows.json", ROW + ROW),
        ("rows.jsonl", '[{"prompt": "a?", "completion": "b"}]'),
        ("rows.ndjson", ROW),
        ("ROWS.JSONL.GZ", gzip.compress(ROW.encode(), mtime=0)),
        ("rows.jsonl", gzip.compress(ROW.encode(), mtime=0)),
        ("rows.csv", "prompt,completion\na?,b\n"),
        ("rows.csv", "prompt;completion\na?;b\n"),
        ("rows.tsv", "prompt\tcompletion\na?\tb\n"),
    ],
)
def test_kinds_of_files(tmp_path, name, content):
    assert read(tmp_path, content, name).kept[0].messages == pair("a?", "b", HERE).messages


def test_large_cells_are_read_and_the_limit_of_csv_is_left_as_it_was(tmp_path):
    import csv

    before = csv.field_size_limit()
    assert len(read(tmp_path, f"prompt\n{'x' * 200_000}\n", "rows.csv").kept[0].question) == 200_000
    assert csv.field_size_limit() == before


def test_parquet_of_another_program_is_read(tmp_path):
    turns = [
        [{"role": "user", "content": "q"}],
        [{"role": "user", "content": "r"}, {"role": "assistant", "content": "s"}],
    ]
    pl.DataFrame({"messages": turns, "score": [1, None]}).write_parquet(tmp_path / "rows.parquet")
    first, second = files.read(tmp_path / "rows.parquet").kept
    assert (first.meta, second.meta, second.answer) == ({"score": 1}, {}, "s")


STRICT = {"parse_constant": lambda name: pytest.fail(f"{name} is no JSON")}
NAN = '{"prompt": "a?", "completion": "b", "marks": [NaN, -Infinity, 1e999, 1e-999, 2.5], "tag": "NaN"}\n'


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.parquet", "memory"])
def test_nan_and_infinity_are_null_and_it_is_said(tmp_path, name):
    rows = [json.loads(ROW), json.loads(NAN)]
    if name == "memory":
        outcome = files.read(rows)
    elif name == "rows.parquet":
        pl.DataFrame(rows).write_parquet(tmp_path / name)
        outcome = files.read(tmp_path / name)
    else:
        outcome = read(tmp_path, f"[{ROW},{NAN}]" if name == "rows.json" else ROW + NAN, name)
    assert dict(outcome.kept[1].meta) == {"marks": [None, None, None, 0.0, 2.5], "tag": "NaN"}
    place = outcome.kept[1].origin.place
    assert f"NaN or infinity, which JSON has not, is null in 1 row, the first at {place}" in outcome.notes[0]
    for format in ("same", "messages"):
        files.write(outcome.kept, tmp_path / "out.jsonl", format)
        assert [json.loads(line, **STRICT) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


def test_a_row_without_its_joined_text_is_one_whose_input_is_nan(tmp_path):
    (row,) = read(tmp_path, '{"instruction": "Name a fish.", "input": NaN, "output": "cod"}').kept
    assert (row.question, row.answer) == ("Name a fish.", "cod")


def test_rejects_hold_a_row_with_nan_as_it_came_and_no_score_that_is_none(tmp_path):
    outcome = read(tmp_path, ROW + NAN.replace('"a?"', "3"))
    dropped = (*outcome.dropped, Drop(outcome.kept[0], "not measured", float("nan")))
    files.write_rejects(replace(outcome, dropped=dropped), tmp_path / "gone.jsonl")
    told = [json.loads(line, **STRICT) for line in (tmp_path / "gone.jsonl").read_text().splitlines()]
    assert told[0]["text"] == NAN.replace('"a?"', "3").strip() and "score" not in told[1]


def test_numbers_of_numpy_are_numbers():
    (row,) = files.read([{"prompt": "a", "mark": np.float32(1.5), "n": np.int64(3), "none": np.float64("nan")}]).kept
    assert dict(row.meta) == {"mark": 1.5, "n": 3}


def test_standard_input_and_output(tmp_path, monkeypatch, capsys):
    class Stdin:
        buffer = io.BytesIO(ROW.encode())

    monkeypatch.setattr(sys, "stdin", Stdin)
    outcome = files.read("-")
    assert outcome.kept[0].origin.place == "stdin:1"
    files.write(outcome.kept, "-", "prompt-completion")
    assert json.loads(capsys.readouterr().out) == json.loads(ROW)


def test_write_leaves_the_old_file_alone_where_it_fails(tmp_path):
    path = tmp_path / "rows.jsonl"
    files.write(Dataset.of([pair("a", "b", HERE)]), path)
    before = path.read_bytes()
    talk = Example((Message("user", "a"), Message("assistant", "b"), Message("assistant", "c")), HERE)
    with pytest.raises(UserError, match="alpaca"):
        files.write(Dataset.of([talk]), path, "alpaca")
    assert path.read_bytes() == before
    with pytest.raises(UserError, match="can't be written"):
        files.write(Dataset.of([pair("a", "b", HERE)]), path / "under-a-file.jsonl")
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ASKED = TEXTS.filter(str.strip)
KEYS = st.sampled_from(["tag", "score", "système", "a;b", ""])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
SINGLE = st.tuples(ASKED, st.none() | TEXTS.filter(bool)).map(
    lambda texts: (Message("user", texts[0]), *([] if texts[1] is None else [Message("assistant", texts[1])]))
)
TURN = st.tuples(st.sampled_from(["system", "user", "assistant"]), TEXTS).map(lambda turn: Message(*turn))
TALK = st.tuples(st.lists(TURN, max_size=3), ASKED, st.lists(TURN, max_size=2)).map(
    lambda parts: (*parts[0], Message("user", parts[1]), *parts[2])
)


def datasets(format, kind):
    """Whatever the format and the kind of file can hold: CSV has text alone, and an empty cell is no field."""
    values = TEXTS.filter(bool) if kind in ("csv", "tsv") else VALUES
    messages = SINGLE if format == "alpaca" else TALK | SINGLE
    examples = st.builds(lambda m, meta: Example(m, HERE, meta), messages, st.dictionaries(KEYS, values, max_size=3))
    return st.lists(examples, min_size=1, max_size=4)


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz"])
@pytest.mark.parametrize("format", ["messages", "alpaca", "sharegpt", "prompt-completion", "Frage/Antwort"])
@settings(
    max_examples=settings.default.max_examples // 4,  # of thirty kinds: 10 each, and 25 by `make test-all`
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_what_is_written_is_what_is_read(tmp_path, data, format, kind):
    examples = data.draw(datasets(format, kind))
    files.write(Dataset.of(examples), tmp_path / f"rows.{kind}", format)
    outcome = files.read(tmp_path / f"rows.{kind}", format)
    assert not outcome.dropped
    assert [(e.messages, dict(e.meta)) for e in outcome.kept] == [(e.messages, dict(e.meta)) for e in examples]


@pytest.mark.parametrize("format", ["messages", "alpaca", "sharegpt", "prompt-completion"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_format_that_was_written_is_detected(tmp_path, data, format):
    files.write(Dataset.of(data.draw(datasets(format, "jsonl"))), tmp_path / "rows.jsonl", format)
    assert f"format {format}" in files.read(tmp_path / "rows.jsonl").notes[0]


def test_example_that_a_format_cannot_hold_is_refused(tmp_path):
    cases = [
        (pair("q", "", HERE), "alpaca"),
        (Example((Message("developer", "s"), *user("q")), HERE), "alpaca"),
        (pair("q", "a", HERE, {"prompt": "x"}), "prompt-completion"),
        (pair("q", "a", HERE, {"messages": "x"}), "messages"),
        (pair("q", "a", HERE, {"input": "x"}), "alpaca"),
        (pair("q", "a", HERE), "question/"),
    ]
    for example, format in cases:
        with pytest.raises(UserError, match=example.id):
            files.write(Dataset.of([example]), tmp_path / "rows.jsonl", format)
