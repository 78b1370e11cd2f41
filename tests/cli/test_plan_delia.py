"""`leaven plan delia` says what `leaven delia` would do, with the same flags, and does none of it."""

import pytest


def test_a_plan_says_cells_steps_tests_and_time_and_writes_nothing(leaven, rows):
    words = "task.jsonl --model lab --test test.jsonl --queries pool.jsonl --ratio 2 --num-train-epochs 5 --out run"
    done = leaven("plan", "delia", *words.split())
    assert done.code == 0, done.err
    steps = {line.split("│")[1].strip(): line.split("│")[2:4] for line in done.out.splitlines() if "│" in line}
    assert [cell.strip() for cell in steps["delia-n12-s0"]] == ["180", "12"]  # 5 x (12 + 24) rows, 16 a step
    assert [cell.strip() for cell in steps["original-n12-s0"]] == ["0", "0"]
    who = "inferred from them; `answers` names another"
    assert f"Answers: json, {who}. 12 of 12 answers are JSON objects with the keys thought and hall" in done.out
    assert "Each cell answers task 6" in done.out and "general" in done.out
    assert "tokens a second trained" in done.out and "minutes" in done.out
    assert not (rows / "run").exists()


def test_a_plan_says_which_rows_are_left_out_and_why_no_settings_are_searched(leaven, rows):
    with (rows / "task.jsonl").open("a") as file:
        file.write("broken\n")
    words = "task.jsonl --model lab --test test.jsonl --queries pool.jsonl --ratio 2 --preset auto"
    said = leaven("plan", "delia", *words.split()).out
    assert "Left out: 1 of train, broken JSON" in said
    assert "No settings are searched: 12 task rows are too few to hold any out." in said


def test_what_would_stop_the_run_stops_the_plan(leaven, rows):
    words = "task.jsonl --model lab --test test.jsonl --queries pool.jsonl --init meen"
    done = leaven("plan", "delia", *words.split())
    assert done.code == 2 and "Traceback" not in done.err
    assert "token.init is 'meen'" in done.err


@pytest.mark.parametrize("what", ["delia", "ratio", "lift"])
def test_the_help_of_a_plan_is_its_own(leaven, what):
    said = " ".join(leaven("plan", what, "--help").out.split())
    assert f"Usage: leaven plan {what} " in said and f"Usage: leaven {what} " not in said
