"""A folder that leaven wrote before a lift had stages of its own is read, or refused in a sentence.

`before.zip` was made at commit d3544192: 12 rows, answered anew and expanded by a script, variety, a judge.
"""

import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from leaven.errors import UserError
from leaven.lift import audit, preflight
from leaven.lift.settings import parse, read
from leaven.rows.dataset import Dataset
from leaven.view import lift as report


@pytest.fixture
def before(tmp_path):
    with zipfile.ZipFile(Path(__file__).parent / "before.zip") as files:
        files.extractall(tmp_path / "before")
    return tmp_path / "before"


def test_its_report_and_the_story_of_its_rows_are_written(before):
    assert "5 of 36 rows are kept" in report.text(before)
    assert "before selection" in report.write(before).read_text(encoding="utf-8")
    story = "\n".join(audit.why(audit.read(before), "3"))
    assert "became row 15 by reanswer, kept" in story
    assert "became row 27 by evolve, dropped by variety: not varied enough" in story


def test_its_recipe_and_its_rows_are_read(before, leaven):
    assert [stage.name for stage in read(before).plan] == ["copies", "reanswer", "evolve", "variety", "quality"]
    assert len(Dataset.load(before / "kept.parquet")) == 5
    assert leaven("convert", before / "rows.parquet", "--out", "rows.jsonl").code == 0
    lines = [json.loads(line) for line in (before.parent / "rows.jsonl").read_text().splitlines()]
    assert len(lines) == pl.read_parquet(before / "rows.parquet").height == 36
    assert lines[12]["messages"][-1]["content"] == "An answer."
    assert leaven("curate", "exact", before / "kept.jsonl", "-o", "kept.jsonl", "--compare", "question").code == 0


def test_what_it_measured_is_not_taken_over_and_that_is_said(before, leaven):
    with pytest.raises(UserError, match="was made by an earlier leaven, which measured it otherwise"):
        preflight.check_taken(parse({"data": "d.jsonl"}), before)
    done = leaven("lift", "--from", before, "--n", 3, "--out", "new")
    assert done.code == 2 and "was made by an earlier leaven" in done.err and "Run it anew" in done.err, done.err
