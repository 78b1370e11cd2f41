"""The commands that ask a model: diversify, sample, show prompt, export."""

import json

import pytest


def script(folder, *entries):
    (folder / "s.jsonl").write_text("\n".join(json.dumps(entry) for entry in entries))
    return "scripted:s.jsonl"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_sample_by_each_form(leaven, rows):
    llm = script(rows, {"match": "Guide:", "reply": "The reference answer is good."}, {"reply": "It is 3."})
    for form, kept in (("plain", 4), ("again", 4), ("guided", 0)):
        done = leaven("sample", "pool.jsonl", "--llm", llm, "--form", form, "-n", 4, "-o", f"{form}.jsonl")
        assert done.code == 0, done.err
        assert f"{kept} kept" in done.out
    assert {row["reason"] for row in lines(rows / "guided.jsonl.rejects.jsonl")} == {"speaks of the guide"}


@pytest.mark.slow
def test_sample_magpie_from_the_lab(leaven, tmp_path):
    words = ("sample", "--form", "magpie", "-n", 8, "--llm", "hf:lab", "--max-new-tokens", 64, "-o", "m.jsonl")
    done = leaven(*words)
    assert done.code == 0, done.err
    found = lines(tmp_path / "m.jsonl")
    assert len(found) == 8
    assert all(row["messages"][1]["content"] for row in found)


def test_diversify_without_a_token_row_by_row(leaven, rows):
    llm = script(rows, {"match": "What is 0 plus", "reply": '["Add zero to it, and tell the sum."]'}, {"reply": "[]"})
    done = leaven("diversify", "pool.jsonl", "--token", "", "--mode", "per_row", "--llm", llm, "-o", "v.jsonl")
    assert done.code == 0, done.err
    said = [row["messages"][0]["content"] for row in lines(rows / "v.jsonl")]
    assert said[:8] == ["Add zero to it, and tell the sum."] * 8
    assert said[8:] == [row["messages"][0]["content"] for row in lines(rows / "pool.jsonl")][8:]
    assert "self-BLEU" in done.err
