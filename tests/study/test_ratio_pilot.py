"""The pilot of `ratio: auto`: from the smallest ratio up until one is enough, and a study that takes its ratio."""

import json
from dataclasses import replace

import pytest

from leaven.delia import pool
from leaven.errors import UserError
from leaven.runs.progress import stderr
from leaven.study import ratio_pilot
from leaven.study import recipe as recipes
from leaven.study.parts import Parts
from leaven.study.run import run
from leaven.study.search import Search, Trial
from leaven.study.sources import resolve
from leaven.task.format import open_format

VALUES = {
    "methods": ["original", {"name": "delia", "label": "no buffer", "ratio": 0}, {"name": "delia", "ratio": "auto"}],
    "sizes": [48],
    "sample": {"max_new_tokens": 24},
    "tune": {"preset": "lab", "step_task_rows": 16},
    "pilot": {"ratios": [0.5, 0], "questions": 10, "most_leak": 0.2, "least_learnt": 0.01},
    "evaluate": {"max_new_tokens": 16, "limit_test": 4},
    "probes": [],
}


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """The recipe and its task."""
    return resolve(recipes.parse(VALUES, "test"), tmp_path_factory.mktemp("task"), stderr())


@pytest.fixture
def made(resolved, tmp_path):
    """The recipe, its task and a folder; nothing is tuned."""
    return (*resolved, tmp_path)


def piloted(monkeypatch, made, leaks, **changes):
    """The pilot of trials that leak so at each ratio, and the ratios and seeds that were tried."""
    recipe, task, folder = made
    recipe = recipe.model_copy(update={"pilot": recipe.pilot.model_copy(update=changes)})
    tried = []

    def trial(search, method, name, settings, seed):
        tried.append((method.config["ratio"], seed, dict(settings)))
        return Trial(method.label, settings, 1.0, None, leaks[method.config["ratio"]], 0.5, 60.0)

    monkeypatch.setattr(Search, "trial", trial)
    return ratio_pilot.run(recipe, task, folder, Parts.of(recipe, task, folder, stderr())), tried


def test_trials_have_the_teacher_that_the_recipe_names(made):
    recipe, task, folder = made
    (folder / "teacher.jsonl").write_text('{"reply": "[]"}\n')
    recipe = recipe.model_copy(
        update={"llm": recipe.llm.model_copy(update={"engine": f"scripted:{folder}/teacher.jsonl"})}
    )
    teacher = Parts.of(recipe, task, folder, stderr()).bench(0, folder).teacher
    assert teacher and teacher.name == "scripted:teacher.jsonl"


@pytest.fixture
def own_answers(monkeypatch):
    """The untouched model's answers need no model."""
    monkeypatch.setattr(Parts, "untouched", lambda self, prompts: ["The answer is no."] * len(prompts))


def test_the_pilot_ends_where_nothing_leaks_without_a_buffer(monkeypatch, made, own_answers):
    pilot, tried = piloted(monkeypatch, made, {0: 0.0}, ratios=(5, 0, 1), questions=40, most_leak=0.05)
    assert [ratio for ratio, *_ in tried] == [0] and pilot.ratio == 0 and pilot.seconds == 60
    record = ratio_pilot.read(made[2])
    assert (
        record["ratio"] == 0 and record["observations"][0]["plain"] == 37 and "0: nothing leaks" in record["sentence"]
    )


def test_it_goes_up_until_one_is_enough_and_takes_the_largest_where_none_is(monkeypatch, made, own_answers):
    leaks = {0: 1.0, 0.25: 0.3, 0.5: 0.1, 1: 0.0, 2: 0.0, 5: 0.0}
    pilot, tried = piloted(monkeypatch, made, leaks, ratios=tuple(leaks), questions=40, most_leak=0.02)
    assert [ratio for ratio, *_ in tried] == [0, 0.25, 0.5, 1, 2] and 0.5 < pilot.ratio <= 2
    pilot, tried = piloted(
        monkeypatch, made, dict.fromkeys(leaks, 1.0), ratios=tuple(leaks), questions=40, most_leak=0.02
    )
    assert len(tried) == 6 and pilot.ratio == 5 and pilot.sentence().endswith("5 is taken.")


def test_further_trainings_have_seeds_of_their_own(monkeypatch, made, own_answers):
    _, tried = piloted(monkeypatch, made, {0: 0.0}, ratios=(0,), questions=40, trainings=2, passes=1)
    assert tried == [(0, 0, {"num_train_epochs": 1}), (0, 1, {"num_train_epochs": 1})]


def test_what_no_pilot_can_find_is_said_before_it_is_begun(made):
    recipe, task, _ = made
    with pytest.raises(UserError, match="19 task rows are too few"):
        ratio_pilot.check(recipe, replace(task, rows=task.rows.take(19, 0)))
    with pytest.raises(UserError, match="plain text has none"):
        ratio_pilot.check(recipe, replace(task, format=open_format("text")))
    values = {**VALUES, "methods": [{"name": "common_equal_steps", "ratio": "auto"}]}
    with pytest.raises(UserError, match="found by tunings of delia"):
        ratio_pilot.check(recipes.parse(values, "test"), task)
    ratio_pilot.check(recipe.at_ratio(1), replace(task, rows=task.rows.take(19, 0)))


@pytest.mark.slow
def test_a_study_takes_the_ratio_of_its_pilot_and_tries_none_twice(made, monkeypatch):
    recipe, task, folder = made
    monkeypatch.setattr(pool, "chunk", lambda *_: 32)
    run(recipe, task, folder, stderr())
    record = ratio_pilot.read(folder)
    cell = json.loads((folder / "cells" / "delia-n48-s0" / "cell.json").read_text())
    assert cell["config"]["ratio"] == record["ratio"] == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert any(note.startswith("The smallest sufficient ratio, by a pilot") for note in summary["notes"])
    assert not [path for path in (folder / "pilot").glob("*/*") if path.is_dir()]
    dev = {row.question for row in Search.of(Parts.of(recipe, task, folder, stderr()), task, folder, 10).tests[0].rows}
    assert not dev & {row.question for test in task.tests for row in test.rows}
    monkeypatch.setattr(Search, "_tune_and_ask", lambda *_: pytest.fail("a trial was made again"))
    ratio_pilot.run(recipe, task, folder, Parts.of(recipe, task, folder, stderr()))
