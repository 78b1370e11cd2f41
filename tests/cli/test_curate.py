"""`leaven curate`: flags from the Config, rejects with reasons, plugs of one's own, and what can be wrong."""

import json

import numpy as np
import pytest

MINE = '''"""Keep the rows with an even number."""
from typing import Literal
from pydantic import Field
from leaven.section import Section
from leaven.lift.selection import outcome

NEEDS = ()

class Config(Section):
    """Which rows."""

    rest: int = Field(0, ge=0)
    """What is left over of the number, divided by two."""
    how: Literal["plain", "loud"] = "plain"
    """How it is done."""
    upper: bool = False
    """Whether it is written large."""

def choose(data, scores, config, context):
    kept = [place for place, row in enumerate(data) if row.meta["number"] % 2 == config.rest]
    return outcome(data, kept, "mine", "odd" if config.how == "plain" else "ODD")
'''


@pytest.fixture
def folder(tmp_path):
    lines = [{"instruction": f"Say {i}.", "input": "", "output": f"{i} " * i, "number": i} for i in range(1, 13)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "mine.py").write_text(MINE)
    np.save(tmp_path / "e.npy", np.random.default_rng(0).standard_normal((12, 9)).astype(np.float32))
    return tmp_path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_come_out_with_all_their_fields_and_the_others_with_their_reasons(leaven, folder):
    done = leaven("curate", "longest", "d.jsonl", "--n", 4, "--to", "alpaca", "-o", "k.jsonl")
    assert done.code == 0, done.err
    assert read(folder / "k.jsonl") == read(folder / "d.jsonl")[8:]
    rejects = read(folder / "k.jsonl.rejects.jsonl")
    assert [one["fields"]["number"] for one in rejects] == list(range(1, 9))
    assert rejects[0] | {"fields": 0} == {
        "reason": "shorter", "detail": "", "place": "d.jsonl:1", "score": 2.0, "text": "Say 1.", "answer": "1 ",
        "fields": 0,
    }  # fmt: skip
    assert "4 kept; 8 dropped: shorter" in done.out


def test_a_selector_of_ones_own_has_flags_too(leaven, folder):
    done = leaven("curate", "./mine.py", "d.jsonl", "--rest", 1, "--how", "loud", "-o", "k.jsonl")
    assert done.code == 0, done.err
    assert "6 kept; 6 dropped: ODD" in done.out
    help = leaven("curate", "./mine.py", "--help")
    assert "What is left over" in help.out
    assert "--upper" in help.out
    assert "--seed" not in help.out


def test_a_setting_of_several_values_is_a_flag_that_is_said_again(leaven, folder):
    help = leaven("curate", "guard", "--help")
    assert "--against" in help.out and "again" in help.out
    files = [folder / f"{name}.jsonl" for name in ("first", "second")]
    rows = (folder / "d.jsonl").read_text().splitlines(keepends=True)
    for place, path in enumerate(files):
        path.write_text(rows[place])
    against = [word for path in files for word in ("--against", path.name)]
    done = leaven("curate", "guard", "d.jsonl", *against, "-o", "k.jsonl")
    assert done.code == 0, done.err
    kept = (folder / "k.jsonl").read_text().splitlines(keepends=True)
    assert len(kept) <= len(rows) - 2 and not {rows[0], rows[1]} & set(kept)


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("quality", "--llm openai:gpt-4o"),
        ("guard", "--against gsm8k.jsonl"),
        ("length_matched", "--like longest.jsonl"),
    ],
)
def test_what_a_selector_can_not_do_without_stands_in_its_example(leaven, folder, name, flags):
    assert f"leaven curate {name} data.jsonl -o kept.jsonl {flags}" in " ".join(
        leaven("curate", name, "--help").out.split()
    )
    refused = leaven("curate", name, "d.jsonl", "-o", "kept.jsonl")
    assert refused.code == 2 and flags.split()[0] in refused.err


def test_selectors_are_listed(leaven, folder):
    listed = leaven("ls", "selectors").out
    assert "variety" in listed
    assert "compat (paper): `paper`: as published" in listed
    assert "longest" in leaven("curate", "--help").out


def test_variety_from_a_file(leaven, folder):
    words = (
        "curate",
        "variety",
        "d.jsonl",
        "--embeddings",
        "e.npy",
        "--compat",
        "paper",
        "--keep",
        0.25,
        "-o",
        "k.jsonl",
    )
    done = leaven(*words)
    assert done.code == 0, done.err
    assert "3 kept; 9 dropped: not varied enough" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("varity", "d.jsonl"), ("varity", "'variety'")),
        (("variety", "d.jsonl", "--keep", 2), ("--keep is 2",)),
        (("variety", "d.jsonl", "--compat", "papr"), ("compat", "paper")),
        (("variety", "d.jsonl", "--n", 99, "--embeddings", "e.npy"), ("99", "only 12")),
        (("variety", "no.jsonl"), ("no.jsonl does not exist",)),
        (("variety", "d.jsonl", "--embeddings", "no.npy"), ("no.npy does not exist",)),
        (("variety", "d.jsonl", "--embeddings", "short.npy"), ("holds 11 rows, but the data 12",)),
        (("variety", "d.jsonl", "--embeddings", "nan.npy"), ("row 5 holds NaN",)),
        (("variety", "d.jsonl", "--embeddings", "same.npy"), ("all rows are the same",)),
        (("variety", "d.jsonl", "--embedder", "lsi"), ("lsi", "'lsa'")),
        (("variety", "d.jsonl", "--embedder", "lsa:x"), ("lsa:x",)),
        (("variety", "d.jsonl", "--embed-text", "al"), ("--embed-text", "'all'")),
        (("k_center", "d.jsonl", "--embedder", "openai:m"), ("OPENAI_API_KEY",)),
        (("deita", "d.jsonl", "--score", "nuber", "--embeddings", "e.npy"), ("'nuber'", "'number'")),
        (("length_matched", "d.jsonl"), ("--like",)),
        (("guard", "d.jsonl"), ("--against",)),
        (("marks", "d.jsonl", "--field", "nuber"), ("'nuber' is not there", "'number'")),
        (("ifd", "d.jsonl", "--model", "./nowhere"), ("./nowhere",)),
        (("./nowhere.py", "d.jsonl"), ("nowhere.py does not exist",)),
    ],
)
def test_what_is_wrong_is_said(leaven, folder, words, said):
    vectors = np.load(folder / "e.npy")
    np.save(folder / "short.npy", vectors[1:])
    np.save(folder / "same.npy", np.ones_like(vectors))
    vectors[4, 3] = np.nan
    np.save(folder / "nan.npy", vectors)
    done = leaven("curate", *words, "-o", "k.jsonl")
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    assert not [word for word in said if word not in done.err], done.err
    assert not (folder / "k.jsonl").exists()


def test_rows_that_go_down_a_pipe_have_no_words_between_them_and_no_file_beside_them(leaven, folder):
    for words in (("curate", "random", "d.jsonl", "--n", 4), ("check", "d.jsonl", "--against", "d.jsonl")):
        done = leaven(*words, "-o", "-")
        assert all(json.loads(line)["instruction"] for line in done.out.splitlines()), done.out
    kept = leaven("curate", "random", "d.jsonl", "--n", 4, "-o", "-")
    assert kept.out.count("\n") == 4 and "4 kept; 8 dropped: not drawn" in kept.err and "-o FILE" in kept.err
    assert not list(folder.glob("-*"))


def test_odd_rows_are_neither_lost_nor_fatal(leaven, folder):
    lines = [
        json.dumps({"instruction": "x" * 2_000_000, "input": "", "output": "y", "id": 1}),
        json.dumps({"instruction": "no answer", "input": "", "output": "", "id": 1}),
        json.dumps({"instruction": "", "input": "", "output": "no question", "id": 1}),
        json.dumps({"instruction": 7, "input": "", "output": "no text"}),
        json.dumps({"instruction": "same", "input": "", "output": "same", "id": 1}),
        json.dumps({"instruction": "same", "input": "", "output": "same", "id": 1}),
        "{",
    ]
    (folder / "odd.jsonl").write_text("\n".join(lines) + "\n")
    for name in ("exact", "minhash", "longest"):
        words = ("--keep", 1) if name == "longest" else ()
        done = leaven("curate", name, "odd.jsonl", *words, "-o", f"{name}.jsonl")
        assert done.code == 0, done.err
        rejects = read(folder / f"{name}.jsonl.rejects.jsonl")
        kept = read(folder / f"{name}.jsonl")
        assert len(kept) + len(rejects) == 7
        assert all(one["reason"] for one in rejects)


def test_export_leaves_out_rows_without_an_answer_and_says_so(leaven, folder):
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": ""}, {"prompt": "d"}]
    (folder / "some.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = leaven("export", "some.jsonl", "-o", "out")
    assert done.code == 0 and "2 rows without an answer are left out, the first is some.jsonl:2." in done.err
    assert (folder / "out" / "train.jsonl").read_text().count("\n") == 1
    (folder / "none.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
    assert "2 of 2 rows have no answer" in leaven("export", "none.jsonl", "-o", "no").err
