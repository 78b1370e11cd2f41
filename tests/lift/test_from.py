"""`--from`: another choice by what is measured already, for every selector; it keeps what a fresh lift keeps."""

import io
import json

import pytest

from leaven.errors import UserError
from leaven.lift import audit, run
from leaven.lift.settings import Settings
from leaven.runs.progress import Progress

WORDS = "red green blue heavy light round flat long short new old warm cold quick slow".split()


@pytest.fixture
def data(tmp_path):
    """Forty rows, every fourth of which is a copy of the one before."""
    lines = []
    for i in range(40):
        j = i - (i % 4 == 3)
        said = " ".join(WORDS[(j * 7 + k * (j % 5 + 1)) % len(WORDS)] for k in range(j % 9 + 3))
        lines.append({"instruction": f"Describe thing {j}.", "input": "", "output": said})
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(tmp_path / "d.jsonl")


def lifted(folder, source=None, **values):
    run.run(Settings(**{"embedder": "lsa:8", **values}), folder, Progress(io.StringIO()), no_engine, source)
    return audit.read(folder).drop("nearest_kept", "nearest_cosine")


def no_engine(spec, what):
    pytest.fail(f"{spec} was opened for {what}")


HARD = '''"""A measure above 1 is out, as IFD's is; it takes a model, and writes down how often it measured."""
from pathlib import Path
from leaven.lift.selection import Scores, Size, outcome
NEEDS = ("model",)
class Config(Size):
    """How many."""
def score(data, config, context):
    with (Path(__file__).parent / "measured.txt").open("a") as file:
        file.write("once ")
    return Scores({"hard": [len(row.answer) % 11 / 5 for row in data]})
def choose(data, scores, config, context):
    assert not context.model
    values = scores.columns["hard"]
    usable = sorted((row for row in range(len(data)) if values[row] <= 1), key=lambda row: -values[row])
    return outcome(data, usable[: config.of(len(data))], "hard", "beyond 1 or easy", scores.columns)
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"quality": "random"}, {"n": 4}),
        ({"quality": "longest"}, {"n": 20}),
        ({"quality": "k_center"}, {"n": 7, "seed": 3}),
        ({"quality": "facility_location", "dedup": "exact"}, {"n": 7, "dedup": "minhash"}),
        ({"quality": "length", "dedup": {"name": "semantic", "threshold": 0.99}}, {"dedup": "semantic"}),
        ({"quality": "deita"}, {"n": 3}),
        ({"quality": "random", "keep_variety": 0.4}, {"keep_variety": 0.8}),
        ({"quality": "length", "keep_variety": 0.4}, {"compat": "exact"}),
    ],
)
def test_a_choice_made_again_is_that_of_a_fresh_lift(data, tmp_path, before, after):
    shared = {"data": data, "keep_variety": 1, "n": 10}
    lifted(tmp_path / "a", **shared | before)
    again = lifted(tmp_path / "b", tmp_path / "a", **shared | before | after)
    assert again.equals(lifted(tmp_path / "c", **shared | before | after))


def test_what_may_not_be_kept_is_not_kept_by_a_choice_made_again_and_measured_once(data, tmp_path, tiny_model):
    (tmp_path / "hard.py").write_text(HARD)
    shared = {"data": data, "keep_variety": 0.9, "quality": str(tmp_path / "hard.py"), "model": str(tiny_model())}
    lifted(tmp_path / "a", **shared, n=10)
    found = lifted(tmp_path / "b", tmp_path / "a", **shared, n=39)
    kept = found.filter(verdict="kept")["quality_hard"]
    assert 10 < len(kept) < 30 and kept.max() <= 1
    assert (tmp_path / "measured.txt").read_text() == "once "
    fewer = lifted(tmp_path / "c", tmp_path / "a", **shared | {"keep_variety": 0.5}, n=39)
    assert (tmp_path / "measured.txt").read_text() == "once "
    assert 0 < fewer.filter(verdict="kept").height < len(kept)
    with pytest.raises(UserError, match=r"\d+ of 40 rows were never scored"):
        lifted(tmp_path / "d", tmp_path / "a", **shared | {"keep_variety": 1.0}, n=39)


def test_a_lift_that_dropped_every_row_before_any_was_embedded_is_chosen_from_anew(data, tmp_path):
    shared = {"data": data, "n": 9}
    lifted(tmp_path / "a", **shared, stages=[{"language": {"only": ["de"], "shortest": 0, "least": 0}}])
    found = lifted(tmp_path / "b", tmp_path / "a", **shared, stages=["length"])
    assert found.equals(lifted(tmp_path / "c", **shared, stages=["length"]))
    assert found.filter(verdict="kept").height == 9


def test_scores_that_were_not_kept_are_said(data, tmp_path, tiny_model):
    (tmp_path / "hard.py").write_text(HARD)
    shared = {"data": data, "quality": str(tmp_path / "hard.py"), "model": str(tiny_model()), "n": 9}
    lifted(tmp_path / "a", **shared)
    (tmp_path / "a" / "scores" / "quality.parquet").unlink()
    with pytest.raises(UserError, match=r"has no scores/quality\.parquet"):
        lifted(tmp_path / "b", tmp_path / "a", **shared)
