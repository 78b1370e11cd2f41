"""A lift whole, without replaced parts: the command, a teacher on loopback, the makers, the judge, the files."""

import json

import polars as pl
import pytest
from tests.llm.test_openai import asked_of, serving

from leaven.lift.preflight import TRIED
from leaven.lift.selectors import quality

ROWS = 24


@pytest.fixture
def rows(tmp_path):
    lines = [
        {"instruction": f"Tell something about number {i}.", "input": "", "output": "Nothing."} for i in range(ROWS)
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


@pytest.fixture
def lift(leaven, rows):
    def call(url, *words):
        env = {"LEAVEN_CACHE": str(rows / "cache"), "OPENAI_API_KEY": "k"}
        done = leaven("lift", "d.jsonl", "--llm", "openai:m", "--base-url", url, *words, **env)
        assert done.code == 0, done.err
        return done.out

    return call


def test_rows_are_answered_anew_made_harder_by_the_tactic_asked_for_judged_and_kept(rows, lift):
    words = ("--rounds", "1", "--tactic", "reasoning", "--keep-variety", "1", "--n", "10", "--out", "run")
    with serving(rows, teacher=True) as url:
        lift(url, *words)
        calls = asked_of(url, "count")["answered"]
        prompts = asked_of(url, "seen")
        assert "finished" in lift(url, *words) or asked_of(url, "count")["answered"] == calls
        assert asked_of(url, "count")["answered"] == calls
    revisions = [text for text in prompts if text.startswith("You revise tasks")]
    assert len(revisions) == ROWS
    assert all("Let it ask outright for an answer" in text for text in revisions)  # the tactic, and no other
    marks = [text for text in prompts if text.startswith("You mark entries")]
    # All rows made, answered anew and harder; what is planted; and rows of the data, on which the judge was tried
    # before all else.
    assert len(set(marks)) == quality.calls(2 * ROWS, quality.Config(twice=0)) + TRIED
    assert prompts.index(marks[0]) == 0
    answers = [text for text in prompts if not text.startswith(("You revise", "You mark"))]
    assert sorted(answers) == sorted(
        [f"Tell something about number {i}." for i in range(ROWS)]
        + [f"Tell something about number {i}. [Let it ask outright ]" for i in range(ROWS)]
    )
    audit = pl.read_parquet(rows / "run" / "audit.parquet")
    assert audit.height == 3 * ROWS
    assert audit.filter(pl.col("verdict") == "kept").height == 10
    kept = [json.loads(line) for line in (rows / "run" / "kept.jsonl").read_text().splitlines()]
    assert len(kept) == 10
    # The judge marks by length: of the harder rows and those answered anew the longest answers stay, and no old one.
    lengths = sorted(
        (len(f"The answer to Tell something about number {i}.{extra}" + " and more" * i), i)
        for i in range(ROWS)
        for extra in ("", " [Let it ask outright ]")
    )
    least = min(min(35, length // 8) for length, _ in lengths[-10:])
    answered = [row["messages"][-1]["content"] for row in kept]
    assert all(min(35, len(text) // 8) >= least for text in answered)
    assert "Nothing." not in answered
    assert (rows / "run" / "report.html").is_file() and (rows / "run" / "export" / "train.jsonl").is_file()
