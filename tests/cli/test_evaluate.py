"""`leaven evaluate`: the harness over a user's copies, alone and beside an adapter."""

import pytest

pytest.importorskip("lm_eval")


def test_a_model_alone_and_again(leaven, copies):
    words = ("evaluate", "lab", "--benchmarks", "mmlu,arc_easy", "--data", copies, "--limit", 4, "--out", "answers")
    first = leaven(*words)
    assert first.code == 0, first.err
    assert "mmlu" in first.out and "at the floor" in first.out and "questions" not in first.out
    again = leaven(*words)
    assert again.out == first.out
    other = leaven(*words[:-4], "--limit", 5, "--out", "answers")
    assert other.code == 2 and "limit was 4 and is 5" in other.err


def test_what_is_missing_is_said_at_once(leaven, copies, few_tasks):
    done = leaven("evaluate", "lab", "--benchmarks", "mmllu,piqa", "--data", copies)
    assert done.code == 2 and "Traceback" not in done.err
    assert "Did you mean 'mmlu'?" in done.err and "piqa is neither in" in done.err
