"""JSON Lines that are read into Parquet come out as the slow reader has them: rows, rejects, notes."""

import json

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from leaven.errors import UserError
from leaven.rows import files, jsonl, layouts, shapes
from leaven.rows.shards import Shards

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", " ", "\x1c", " ", "[", '[{"role": "user", "content": "x"}]', 'a "b" \\ \n\t', "é😀", "\x7f"]),
)
VALUES = st.one_of(
    TEXTS,
    st.integers(),
    st.floats(allow_subnormal=False),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
)
TURNS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "bot"]), "content": TEXTS}),
    max_size=3,
)
ROWS = st.one_of(
    st.fixed_dictionaries({"instruction": TEXTS, "input": TEXTS, "output": TEXTS}),
    st.fixed_dictionaries(
        {"instruction": TEXTS, "input": TEXTS, "output": TEXTS, "mark": st.floats(-9, 9, allow_subnormal=False)}
    ),
    st.fixed_dictionaries({"instruction": TEXTS, "output": VALUES}, optional={"input": VALUES, "id": VALUES}),
    st.fixed_dictionaries({"messages": TURNS}, optional={"n": st.integers(-9, 9)}),
)
LINES = st.one_of(
    st.builds(json.dumps, ROWS, ensure_ascii=st.booleans()),
    st.builds(json.dumps, ROWS, separators=st.just((",", ":"))),
    st.sampled_from(["", "  ", "{", '{"instruction": "a", "input": "", "output": "b", "output": "c"}', "[1]", "3",
                     '{"instruction": "\\ud83d", "input": "", "output": "b"}', '{"instruction": "a\tb", "output": ""}',
                     '{"instruction": "\\u0041\\/", "input": "", "output": "b"}\r']),
)  # fmt: skip
PLAIN = '{"instruction": "Name a fish.", "input": "", "output": "cod", "mark": 1.5}'


def both(path, into, **how):
    """What either reader says: the outcome, or the problem."""
    for read in (lambda: files.read(str(path), **how), lambda: jsonl.read(str(path), into, **how)):
        try:
            outcome = read()
        except UserError as error:
            yield str(error)
        else:
            yield list(outcome.kept), list(outcome.dropped), outcome.notes, outcome.kept.made_by


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES, min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans())
@example([PLAIN, PLAIN.replace("1.5", "12345678901234567890.5"), PLAIN.replace("1.5", "NaN"), "{"], "\n", False)
@example([PLAIN, PLAIN.replace('""', '"the sea"'), PLAIN.replace("cod", "[{}]"), PLAIN.replace("fish", "")], "\n", True)
def test_any_lines_come_out_as_from_the_slow_reader(tmp_path, lines, end, strict):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(end.join(lines).encode("utf-8", "surrogatepass"))
    slow, quick = both(path, tmp_path / "rows.parquet", strict=strict)
    assert quick == slow
    if isinstance(slow, tuple):
        assert list(jsonl.examples(path)) == slow[0]


@pytest.mark.parametrize("dense", [False, True])
def test_lines_that_look_like_the_plain_ones_come_out_as_from_the_slow_reader(tmp_path, dense):
    numbers = [
        "1.50",
        "-0.0",
        "1e5",
        "1E-7",
        "12345678901234567890.5",
        "0.1000000000000000055",
        "17",
        "true",
        '"1.5"',
        "01",
    ]
    others = ['"mark": 1.5, "mark": 1.5', '"mark": 1.5, "more": 2', '"mark" : 1.5', '"mark":  1.5', '"Mark": 1.5']
    lines = [PLAIN, *(PLAIN.replace("1.5", number) for number in numbers)]
    lines += [PLAIN.replace('"mark": 1.5', other) for other in others]
    lines += [PLAIN.replace("cod", sign) for sign in map(chr, [*range(9), *range(14, 32), 127, 133, 0x2028, 0x1F41F])]
    lines += [PLAIN.replace('"cod"', value) for value in ("null", "5", '"a"b"', r'"\n"', r'"\ud83d"', '"[]"', '""')]
    lines += [PLAIN.replace("Name a fish.", " "), f"{PLAIN} ", f" {PLAIN}", f"{PLAIN}}}", PLAIN[:-1]]
    lines = [line.replace('": ', '":').replace(', "', ',"') for line in lines] if dense else lines
    path = tmp_path / "rows.jsonl"
    for piece in (lines, lines[:1] + lines[-9:], [line for line in lines if is_json(line)]):
        path.write_text("\n".join([*piece, piece[0]]))
        slow, quick = both(path, tmp_path / "rows.parquet")
        assert quick == slow


def is_json(line):
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def test_a_plain_line_is_told_without_its_pattern():
    texts = [PLAIN, PLAIN.replace("cod", "é 2"), PLAIN.replace("1.5", "1.50"), PLAIN.replace("cod", r"\u00e9"), "{}"]
    lines = pl.DataFrame({"line": texts}).with_row_index("number")
    shape = shapes.of(json.loads(PLAIN), layouts.detect([json.loads(PLAIN)], "auto"))
    assert shapes.plain(lines, shape).collect()["number"].to_list() == [0, 1]
    assert shapes.matching(lines, shape).collect()["number"].to_list() == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 24])
def test_pieces_of_any_size_are_the_same_file(tmp_path, monkeypatch, size):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([PLAIN, "{", "", PLAIN.replace("cod", "é\\n"), '{"instruction": 3}', PLAIN]) + "\n\n")
    monkeypatch.setattr(jsonl, "PIECE", size)
    slow, quick = both(path, tmp_path / "rows.parquet")
    assert quick == slow and len(quick[0]) == 3
    assert [drop.detail[:12] for drop in quick[1]] == ["rows.jsonl:2", "rows.jsonl:5"]


def test_a_fault_of_the_whole_file_is_said_whenever_it_is_met(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "PIECE", 4000)
    (tmp_path / "rows.jsonl").write_bytes(f"{PLAIN}\n".encode() * 500 + b"\xff\n")
    rows = jsonl.examples(tmp_path / "rows.jsonl")
    assert next(rows).answer == "cod"
    with pytest.raises(UserError, match="is not UTF-8: line 501"):
        list(rows)
    with pytest.raises(UserError, match="does not exist"):
        next(jsonl.examples(tmp_path / "none.jsonl"))


def test_plain_lines_are_left_in_parquet_and_those_that_are_none_lie_behind_them(tmp_path):
    path, into = tmp_path / "rows.jsonl", tmp_path / "rows.parquet"
    path.write_text(f"{PLAIN}\n[]\n{PLAIN}\n")
    outcome = jsonl.read(path, into)
    assert isinstance(outcome.kept.table, Shards) and len(outcome.kept) == 2
    assert [row.origin.step for row in type(outcome.kept).open(into)] == ["read", "read", "unread"]
    (tmp_path / "rows.json").write_text(f"[{PLAIN}]")
    assert not isinstance(jsonl.read(tmp_path / "rows.json", into).kept.table, Shards)
