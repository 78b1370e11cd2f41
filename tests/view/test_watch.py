"""What a model said as it learnt, beside what it said before and says now; and what is under way."""

import json
import time

import pytest
from tests.view.runs import OBJECT, study

from leaven.delia import watch as watching
from leaven.runs import folder as runs
from leaven.runs import progress
from leaven.view import bundle, live, watch
from leaven.view.source import Source


def look(place, step, *answers, stage=1):
    said = [{"test": "unseen_phrasing", "item": f"item{n}", "prompt": f"Question {n}?", "answer": text}
            for n, text in enumerate(answers)]  # fmt: skip
    runs.append(place / watching.FILE, {"stage": stage, "step": step, "steps": 9, "answers": said})


@pytest.fixture
def run(tmp_path):
    folder = study(tmp_path / "run", {"original": {0: ["no"] * 4}, "delia": {0: [OBJECT, OBJECT, OBJECT, "no"]}})
    look(folder / "cells" / "delia-n5-s0", 3, "nothing yet", "said twice")
    look(folder / "cells" / "delia-n5-s0", 3, "hm\u2028hm", f"so: {OBJECT}")
    file = folder / "cells" / "delia-n5-s0" / watching.FILE
    file.write_text(file.read_text() + '{"torn')
    return folder


def test_the_points_of_a_training_stand_between_before_and_the_end(run):
    told = Source(run)
    told.run()  # the answers tell what the format is
    grid = told.watch({"cell": "delia-n5-s0"})
    assert grid["points"] == ["before", "step 3 of 9", "at the end"] and grid["cells"] == ["delia-n5-s0"]
    first, second = grid["lines"]
    assert [answer["text"] for answer in first["answers"]] == ["no", "hm\u2028hm", OBJECT]
    assert second["prompt"]["text"] == "Question 1?" and second["answers"][1]["spans"] == [(4, 4 + len(OBJECT))]
    assert told.watch({"cell": "../../secret"})["cell"] == "delia-n5-s0"


def test_a_cell_that_is_being_tuned_has_its_end_to_come_and_its_second_stage_is_said(run):
    place = run / "cells" / "delia-n5-s1"
    place.mkdir()
    look(place, 2, "one")
    look(place, 4, "two", stage=2)
    grid = watch.grid(run, "delia-n5-s1", None)  # no cell of the untouched model has its seed
    assert grid["points"] == ["step 2 of 9", "second stage, step 4 of 9", "at the end"]
    assert [answer and answer["text"] for answer in grid["lines"][0]["answers"]] == ["one", "two", None]


def test_a_study_that_nobody_looked_at_has_no_grid(tmp_path):
    folder = study(tmp_path / "run", {"original": {0: ["no"] * 4}})
    assert Source(folder).watch({}) is None
    bundle.write(folder, tmp_path / "page")
    assert "leaven.data.watch = {};" in (tmp_path / "page" / "data" / "watch.js").read_text()


def test_what_is_under_way_is_told_as_long_as_it_says_something(tmp_path):
    folder = study(tmp_path / "run", {"original": {0: ["no"] * 4}}, finished=False)
    assert live.state(folder)["under_way"] is None
    told = {"what": "evolve", "done": 3, "total": 9, "unit": "replies", "note": "", "tokens": 0, "seconds": 2}
    for age, expected in ((1, "evolve"), (120, None)):
        (folder / progress.FILE).write_text(json.dumps({**told, "time": time.time() - age}))
        under_way = live.state(folder)["under_way"]
        assert (under_way and under_way["what"]) == expected
