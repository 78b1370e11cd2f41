"""Beside what each stage keeps stand as many of the rows that it was given, at random and as long; no call is made."""

import io
import json

import numpy as np
import polars as pl
import pytest
from tests.lift.test_stages import lifted, writer

from leaven.lift import controls, run
from leaven.lift.settings import Settings
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.progress import Progress
from leaven.view import lift as report


def free(spec, what):
    raise AssertionError("a control was paid for")


@pytest.fixture
def data(tmp_path):
    """Forty rows, a quarter of them copies; answers of 1 to 30 words."""
    rng = np.random.default_rng(0)
    words = "river boat stone cloud apple train violin desk moon salt".split()
    lines = [
        {
            "instruction": f"Tell of {words[i % 10]} {i % 30}.",
            "input": "",
            "output": " ".join(words * 3)[: 9 * (i % 30)],
        }
        for i in rng.permutation(40).tolist()
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(tmp_path / "d.jsonl")


@pytest.fixture
def lift(data, tmp_path):
    stages = ["exact", {"random": {"n": 20}}, {"longest": {"n": 8}}]
    settings = Settings(data=data, embedder="lsa:3", stages=stages, n=8)
    run.run(settings, tmp_path / "run", Progress(io.StringIO()), free)
    return settings, tmp_path / "run"


def test_each_stage_has_its_controls_of_the_rows_that_it_was_given(lift):
    settings, folder = lift
    drawn = pl.read_parquet(folder / controls.FILE)
    for name, entered, left in controls.stages(settings, folder):
        for which in (controls.RANDOM, controls.MATCHED):
            rows = drawn.filter(pl.col("set") == f"{which} at {name}")["row"].to_list()
            assert len(rows) == len(left) == len(set(rows)) and set(rows) <= set(entered)
    names = [one["set"] for one in report.read(folder)["sets"]]
    both = [f"{which} at {{}}" for which in (controls.RANDOM, controls.MATCHED)]
    assert names == [
        "before selection", "after exact", *(one.format("exact") for one in both),
        "after random", *(one.format("random") for one in both), *(one.format("longest") for one in both),
        "kept", "random", "length matched", "longest",
    ]  # fmt: skip


def test_a_stage_that_chooses_by_length_is_told_by_its_control(lift):
    """The longest 8 of 20 are no longer than the control that is as long, and longer than the one at random."""
    _, folder = lift
    marks = {line["measure"]: line for line in report.read(folder)["controls"] if line["stage"] == "longest"}
    line = marks["longest_length"]
    audit = pl.read_parquet(folder / "audit.parquet")
    assert line["kept"] == audit.filter(pl.col("verdict") == "kept")["longest_length"].mean()
    assert line["kept"] == line["length matched"] > line["random"]
    page = report.write(folder).read_text(encoding="utf-8")
    assert "longest_length" in page and "random at longest" in page and "calls would have to be paid" in page


def test_random_rows_are_like_those_given_and_matched_ones_as_long():
    rows = Dataset.of(pair(str(i), "x" * (i % 50 + 1), Origin("test")) for i in range(1000))
    kept = [i for i in range(1000) if i % 50 >= 40]
    drawn = dict(controls.draw(texts.lengths(rows), np.arange(1000), kept, 0))
    means = {name: np.mean([len(rows[row].answer) for row in numbers]) for name, numbers in drawn.items()}
    assert abs(means["random"] - 25.5) < 3 and means["length matched"] == np.mean([len(rows[r].answer) for r in kept])


def test_rows_that_left_before_any_was_embedded_have_the_other_figures(data, tmp_path):
    stages = ["exact", {"evolve": {"rounds": 1}}, {"longest": {"n": 8}}]
    chosen = Settings(data=data, llm="scripted:x", embedder="lsa:3", stages=stages, n=8, failures=1)
    _, _, left = lifted(chosen, tmp_path / "run", writer)
    assert not left
    sets = {one["set"]: one for one in report.read(tmp_path / "run")["sets"]}
    assert "vendi" not in sets["random at exact"] and sets["random at exact"]["median_length"] > 0
    assert "vendi" in sets["random at longest"]
