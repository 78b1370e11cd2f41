"""Settings searched on held-out rows: which are tried, which are best, and a whole study that uses them."""

import json
from dataclasses import asdict, replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.delia import pool
from leaven.runs import folder as runs
from leaven.runs.progress import stderr
from leaven.study import needs, search
from leaven.study import recipe as recipes
from leaven.study.parts import Parts
from leaven.study.run import run
from leaven.study.search import Trial, _solved, best
from leaven.study.sources import resolve

START = {"learning_rate": 2e-3, "token_learning_rate": 2e-2, "num_train_epochs": 3}


def trial(learnt, leak=0.0, kept=0.5, content=None, **settings):
    return Trial("delia", {**START, **settings}, learnt, content, leak, kept, 1.0)


def test_of_trials_that_a_question_does_not_tell_apart_the_one_that_keeps_the_most_is_best():
    first, gentle, unlearnt, leaky = trial(1.0, kept=0.4), trial(0.96, kept=0.6), trial(0.2, kept=1.0), trial(1.0, 0.5)
    assert best([first, gentle, unlearnt, leaky]) is gentle
    assert best([first, leaky]) is first


def test_of_two_in_the_format_the_one_that_says_what_is_right_is_best():
    nonsense, right = trial(1.0, content=0.2, kept=0.9), trial(0.9, content=0.8)
    assert best([nonsense, right]) is right
    leaky = trial(1.0, content=0.9, leak=0.3)
    assert best([right, leaky]) is right


def test_trials_of_an_earlier_leaven_are_taken_up_and_content_counts_where_all_have_it(tmp_path):
    before = asdict(trial(0.9))
    del before["content"]
    for number, values in enumerate((before, asdict(trial(0.8, content=1.0)))):
        runs.write_json(tmp_path / "delia" / f"{number}.json", values)
    assert [(one["content"], one["chosen"]) for one in search.trials(tmp_path)] == [(None, True), (1.0, False)]
    (choice,) = recipes.parse({"methods": ["delia"]}, "test").methods
    assert search.Search(None, tmp_path, None).trial(choice, "0", START) == trial(0.9)


def test_plain_text_without_plain_questions_is_chosen_by_what_is_learnt():
    worse, better = (Trial("delia", START, learnt, None, None, None, 1.0) for learnt in (0.3, 0.6))
    assert best([worse, better]) is better


def test_what_leaks_is_made_gentler_and_what_learns_less_than_all_stronger():
    leaky, both = (search._next([trial(*values)], START) for values in ((1.0, 1.0), (0.8, 0.3)))
    right = search._next([trial(1.0, 0.3, content=0.9)], START)
    assert leaky == both == right == {**START, "learning_rate": 1e-3}
    strong, nearly = (search._next([trial(*values)], START) for values in ((0.0, 0.0), (0.8, 0.1)))
    assert strong == nearly == {**START, "num_train_epochs": 4}


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_where_the_content_falls_short_most_stronger_and_gentler_settings_are_tried_in_turn(leak):
    trials = [trial(1.0, leak, content=0.5)]
    for _ in range(3):
        trials.append(trial(1.0, leak, content=0.5, **search._next(trials, START)))
    changes = [{name: value for name, value in one.settings.items() if value != START[name]} for one in trials]
    assert changes == [{}, {"num_train_epochs": 4}, {"learning_rate": 1e-3}, {"learning_rate": 4e-3}]


def test_a_search_ends_where_nothing_is_left_to_learn_and_nothing_leaks(monkeypatch):
    monkeypatch.setattr(search, "QUESTIONS", 24)
    assert _solved([trial(0.5), trial(0.97)]) and _solved([trial(0.97, content=0.97)]) and not _solved([])
    unsolved = (trial(0.9), trial(1.0, leak=0.1), trial(1.0, content=0.9))
    assert not any(_solved([one]) for one in unsolved)


def test_a_search_for_what_no_tuning_says_wholly_ends_when_another_trial_says_no_more(monkeypatch):
    monkeypatch.setattr(search, "QUESTIONS", 24)
    some, more, alike = (trial(1.0, content=content) for content in (0.4, 0.6, 0.55))
    assert not _solved([some]) and not _solved([some, more]) and _solved([some, more, alike])
    assert not _solved([trial(0.8, content=0.4), trial(0.7, content=0.3)])


# No st.floats: a model in this process has denormals flushed to zero, which hypothesis refuses.
SHARE = st.integers(0, 24).map(lambda right: right / 24)


@given(st.lists(st.tuples(SHARE, SHARE, SHARE, SHARE), min_size=1, max_size=12))
def test_no_settings_are_tried_twice_and_only_those_that_are_free_change(values):
    free = {"learning_rate": 1e-3, "num_train_epochs": 1}
    trials = []
    for learnt, content, leak, kept in values:
        settings = search._next(trials, free)
        if not settings:
            break
        assert set(settings) == set(free) and settings["num_train_epochs"] >= 1
        assert settings not in [dict(trial.settings) for trial in trials]
        trials.append(Trial("delia", settings, learnt, content, leak, kept, 1.0))
    assert dict(trials[0].settings) == free


def test_a_methods_own_settings_stay():
    config = {"ratio": 1, "tune": {"learning_rate": 5e-4}}
    assert search.with_settings(config, START) == {"ratio": 1, "tune": {**START, "learning_rate": 5e-4}}
    assert search.with_settings(config, {}) == config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that searches twice for two methods, of which one has rates and steps of its own."""
    folder = tmp_path_factory.mktemp("runs") / "study"
    values = {
        "methods": [
            "original",
            {
                "name": "common",
                "tune": {
                    "learning_rate": 1e-2,
                    "token_learning_rate": 0.1,
                    "num_train_epochs": 2,
                    "step_task_rows": 16,
                },
            },
            {"name": "delia", "ratio": 0.5},
        ],
        "sizes": [48],
        "sample": {"max_new_tokens": 8},
        "tune": {"preset": "lab", "step_task_rows": 16, "trials": 2},
        "evaluate": {"max_new_tokens": 8, "limit_test": 4},
        "probes": [],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "chunk", lambda *_: 32)
        patch.setattr(search, "QUESTIONS", 6)
        patch.setattr(search, "_solved", lambda _: False)
        recipe, task = resolve(recipes.parse(values, "test"), folder, stderr())
        yield run(recipe, task, folder, stderr()), (recipe, task)


def test_a_study_tunes_by_the_best_of_the_trials_and_tells_them(finished):
    folder, _ = finished
    summary = json.loads((folder / "summary.json").read_text())
    assert [(t["method"], t["settings"]["learning_rate"]) for t in summary["trials"]][:1] == [("delia", 2e-3)]
    assert len(summary["trials"]) == 2 and sum(t["chosen"] for t in summary["trials"]) == 1
    shares = [trial[name] for trial in summary["trials"] for name in ("learnt", "content", "leak", "kept")]
    assert all(0 <= share <= 1 for share in shares)
    chosen = next(t["settings"] for t in summary["trials"] if t["chosen"])
    cells = {path.parent.name.split("-")[0]: json.loads(path.read_text()) for path in folder.glob("cells/*/cell.json")}
    assert cells["delia"]["config"]["tune"] == chosen
    assert cells["common"]["config"]["tune"]["learning_rate"] == 1e-2 and cells["common"]["steps"] == 6
    assert any("up to 2 trials of each method" in note for note in summary["notes"])
    assert not [path for path in folder.glob("search/*/*") if path.is_dir()]


def test_no_row_or_phrasing_of_a_trial_is_a_tests(finished):
    folder, (_, task) = finished
    dev = pl.read_parquet(folder / "search" / "dev.parquet")["messages"].to_list()
    asked = {messages[0]["content"] for messages in dev}
    tests = {row.question for test in task.tests for row in test.rows}
    assert len(asked) == 18 and not asked & tests and not asked & {row.question for row in task.rows}


@pytest.mark.parametrize(
    ("method", "seed", "whole"),
    [
        ({"name": "delia", "ratio": 1}, 0, True),
        ({"name": "delia", "ratio": 1}, 1, False),  # another seed has another order
        ({"name": "delia", "ratio": 30}, 0, False),
        ({"name": "delia", "ratio": 10, "choose": {"selector": "random", "of": 3, "rows": "queries"}}, 0, False),
        ({"name": "delia", "ratio": 10, "tune": {"num_train_epochs": 3}}, 0, False),
        ({"name": "replay", "share": 0.01}, 0, False),
    ],
    ids=str,
)
def test_no_buffer_of_a_trial_has_the_plain_questions_that_it_is_asked(finished, tmp_path, method, seed, whole):
    """A buffer of three passes went through the whole pool, and the trial was asked what it had been trained on."""
    _, (recipe, whole_task) = finished
    task = replace(whole_task, pool=whole_task.pool.take(200, 0))
    searched = search.Search.of(Parts.of(recipe, task, tmp_path, stderr()), task, tmp_path)
    (choice,) = recipes.parse({"methods": [method]}, "test").methods
    queries = searched._parts(choice, seed).pool.queries
    assert (len(queries) == len(task.pool)) is whole
    plain = {row.question for row in searched.tests[1].rows}
    taken = min(len(queries), needs.work(choice, len(searched.train), recipe.tune).queries)
    assert plain and not plain & {row.question for row in queries.take(taken, seed)}


def test_a_finished_trial_is_not_made_again(finished, monkeypatch):
    folder, (recipe, task) = finished
    monkeypatch.setattr(search.Search, "_tune_and_ask", lambda *_: pytest.fail("made again"))
    for cell in folder.glob("cells/*/DONE"):
        cell.unlink()
    before = pl.read_parquet(folder / "scores.parquet")
    run(recipe, task, folder, stderr())
    assert pl.read_parquet(folder / "scores.parquet").equals(before, null_equal=True)
