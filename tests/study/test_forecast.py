"""What a study will do, counted by hand at a pace of round numbers."""

import shutil
from types import SimpleNamespace

import pytest

from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs import folder as runs
from leaven.study import forecast as forecasts
from leaven.study import needs
from leaven.study import recipe as recipes
from leaven.study.cells import cells, open_cells
from leaven.study.forecast import Forecast
from leaven.study.pace import Pace, Writing
from leaven.task.format import open_format
from leaven.task.task import Task
from leaven.task.test import Test
from leaven.task.token import TokenSection

WRITING = Writing(reading=0.0, step=0.0, token=1.0, at_once=100, chunk=50, ending=0.0)
PACE = Pace(loading=3.0, preparing=1.0, trained=10.0, writing=WRITING, task_tokens=20.0, pool_prompt_tokens=10.0,
            answer_tokens=4.0, gib=1.0)  # fmt: skip
TUNE = {"preset": "small", "num_train_epochs": 1}


def rows(count, word="<sep>"):
    return Dataset.of(pair(f"what is {number} in {word} form?", "two words", Origin("x")) for number in range(count))


def forecast(methods, **values):
    lengths = {"sample": {"max_new_tokens": 30}, "evaluate": {"max_new_tokens": 8}}
    recipe = recipes.parse(
        {"methods": methods, "seeds": [0, 1], "sizes": [0], "tune": TUNE, **lengths, **values}, "test"
    )
    tests = (Test("task", rows(5), "text"), Test("general", rows(7, "plain"), "general"))
    return Forecast(recipe, Task(rows(100), tests, rows(80, "a"), open_format("text"), TokenSection()), PACE)


def stages(*args, **values):
    return {stage.name: stage for stage in forecast(*args, **values).stages()}


def test_each_stage_by_hand():
    found = stages(["original", {"name": "delia", "ratio": 0.6}])
    assert found["load"].seconds == 3
    assert found["ask untouched"].seconds == 7 * 8  # plain questions, cut at 8 tokens, a second a token
    assert found["sample the pool"].amount == "2 × 100 queries"  # 60 rows: two chunks of 50
    assert found["sample the pool"].seconds == 2 * 2 * 50 * 30
    # 100 rows of 20 tokens and 60 of 10 + 30, at 10 tokens a second, and a second to make ready, for each seed
    assert found["tune"].seconds == pytest.approx(2 * (1 + (100 * 20 + 60 * 40) / 10))
    # who is tuned answers the task's test in 4 tokens, plain questions in 8; the untouched model all in 8
    assert found["answer"].seconds == 2 * (12 * 8) + 2 * (5 * 4 + 7 * 8)
    assert "search settings" not in found


def test_several_machines_share_cells_and_the_pools_of_seeds_and_nothing_before_them():
    plan = forecast(["original", {"name": "delia", "ratio": 0.6}])
    each = {stage.name: stage.seconds for stage in plan.stages()}
    assert plan.seconds(1) == pytest.approx(sum(each.values()))
    shared = each["tune"] + each["answer"]
    before = each["load"] + each["ask untouched"]
    assert plan.seconds(100) == pytest.approx(before + each["sample the pool"] / 2 + shared / 4)  # seeds, cells


def test_a_search_tunes_and_asks_for_each_trial_of_each_method_that_tunes():
    found = stages(["original", "common", {"name": "delia", "ratio": 1}], tune={**TUNE, "trials": 3})
    assert found["search settings"].amount == "up to 6 trials"
    tuning = 3 * (2 + (80 * 20 + 80 * 20 + 80 * 40) / 10)  # 20 of the 100 rows are held out
    asking = 24 * 8 + 6 * (24 * 4 + 24 * 8)
    assert found["search settings"].seconds == pytest.approx(tuning + asking)


def test_a_method_answers_the_tests_that_it_has_a_part_in():
    found = stages([{"name": "original", "tests": ["task"]}, "common"])
    assert found["answer"].amount == f"{2 * 5 + 2 * 12} questions"
    assert "sample the pool" not in found


def test_epochs_and_steps_of_a_methods_own_count():
    twice = stages([{"name": "common", "tune": {"num_train_epochs": 2}}])["tune"].seconds
    assert twice == pytest.approx(2 * (1 + 2 * 100 * 20 / 10))
    recipe = forecast(["original"]).recipe
    equal, delia = (
        needs.work(recipes.parse({"methods": [{"name": name, "ratio": 1}]}, "test").methods[0], 100, recipe.tune)
        for name in ("common_equal_steps", "delia")
    )
    assert equal.schedule.steps == delia.schedule.steps == 25
    assert (equal.sampled_rows, delia.sampled_rows) == (0, 100)
    assert equal.schedule.trained_rows == 100


def test_the_largest_step_is_that_of_the_cell_that_trains_most():
    recipe = forecast(["common", {"name": "delia", "ratio": 2.5}]).recipe
    assert needs.largest_step(recipe, 100) == (4, 10)


def test_what_is_left_of_a_study_takes_as_long_as_the_cells_that_are_there(tmp_path, monkeypatch):
    recipe = recipes.parse({"methods": ["original", "common"], "seeds": [0, 1, 2], "sizes": [5]}, "x")
    task = SimpleNamespace(rows=range(5))
    for label, seed, seconds in (("original", 0, 600.0), ("original", 1, 1200.0), ("common", 0, 2700.0)):
        place = tmp_path / "cells" / f"{label}-n5-s{seed}"
        runs.write_json(place / "cell.json", {"method": label, "size": 5, "seconds": {"all": seconds}})
        runs.close(place)
    left = open_cells(cells(recipe, len(task.rows)), tmp_path)
    assert [cell.name for cell in left] == ["common-n5-s1", "original-n5-s2", "common-n5-s2"]
    assert forecasts.hours(left, recipe, task, tmp_path) == (900 + 2 * 2700) / 3600
    # What has not run yet is told by the pace of the machine.
    monkeypatch.setattr(forecasts, "pace_of", lambda recipe, task, base: PACE)
    stages = [forecasts.Stage("tune", "3 models", 3 * 1800.0)]
    monkeypatch.setattr(Forecast, "stages", lambda self: stages if len(self.recipe.methods) == 1 else [])
    shutil.rmtree(tmp_path / "cells" / "common-n5-s0")
    left = open_cells(cells(recipe, len(task.rows)), tmp_path)
    assert forecasts.hours(left, recipe, task, tmp_path) == (900 + 3 * 1800) / 3600
