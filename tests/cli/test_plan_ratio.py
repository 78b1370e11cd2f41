"""`leaven plan ratio` says the smallest sufficient ratio, and `leaven delia --ratio auto` knows what it may be."""

from leaven.study import ratio_law, ratio_pilot
from leaven.study.ratio_law import Observation


def test_a_plan_of_the_ratio_prints_table_curve_and_answer(leaven, rows, monkeypatch):
    pilot = (Observation(0, 40, 40, 20, 20), Observation(0.5, 6, 40, 20, 20), Observation(2, 0, 40, 19, 20))
    found = ratio_pilot.Pilot(pilot, ratio_law.fit(pilot), 120.0)
    monkeypatch.setattr(ratio_pilot, "run", lambda recipe, task, folder, parts: found)
    monkeypatch.setattr(ratio_pilot, "check", lambda recipe, task: None)
    monkeypatch.setattr(ratio_pilot, "read", lambda folder: {})  # there already: its time is not said again
    words = "task.jsonl --model lab --test test.jsonl --queries pool.jsonl --out run".split()
    done = leaven("plan", "ratio", *words)
    assert done.code == 0, done.err
    assert "40 of 40" in done.out and "19 of 20" in done.out and "█" in done.out
    assert found.law.sentence() in done.out and "The pilot took 2.0 minutes." in done.out
    assert f"leaven delia {' '.join(words)} --ratio auto" in done.out
    assert (rows / "run" / "run.json").exists()


def test_a_ratio_is_a_number_or_auto(leaven, rows):
    for words in (["delia"], ["plan", "ratio"]):
        done = leaven(*words, "task.jsonl", "--model", "lab", "--ratio", "-1")
        assert done.code == 2 and "--ratio is '-1'" in done.err


def test_too_few_rows_for_a_pilot_are_said_with_a_way_on(leaven, rows):
    done = leaven("plan", "ratio", *"task.jsonl --model lab --test test.jsonl --queries pool.jsonl --out run".split())
    assert done.code == 2 and "task rows are too few" in done.err and "--ratio 2.5" in done.err
