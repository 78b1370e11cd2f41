import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from leaven.llm.judge import plants
from leaven.llm.trust import KINDS, trust
from leaven.rows.example import Origin, pair

NOTHING = np.full(6, np.nan)


def rows(*answers):
    return [pair(f"Question {number}?", answer, Origin("x")) for number, answer in enumerate(answers)]


def test_figures_by_hand():
    marks = np.asarray([96.0, 96.0, 50.0, 20.0, np.nan])
    again = np.asarray([90.0, np.nan, 60.0, 20.0, 10.0])
    found = trust(marks, again, np.asarray([4.0, 5.0, 2.0, 1.0, 9.0]), {})
    assert (found.rows, found.twice, found.agreement, found.only) == (4, 3, 1.0, None)
    assert found.apart == pytest.approx((6 + 10 + 0) / 3)
    assert found.ties == pytest.approx(2 / 12)
    assert found.at_top == 0.5
    assert found.length == pytest.approx(stats.spearmanr([96, 96, 50, 20], [4, 5, 2, 1]).statistic)
    assert found.faults == []


def test_how_far_planted_rows_move_is_a_mean_with_the_interval_of_t():
    marks = np.asarray([50.0, 60.0, 70.0, 80.0, 90.0, 40.0])
    swapped = np.asarray([10.0, 30.0, 20.0, 50.0, 40.0, np.nan])
    shift = trust(marks, NOTHING, marks, {"swapped": swapped}).planted["swapped"]
    assert shift.rows == 5
    assert shift.mean == pytest.approx(-40)
    interval = stats.ttest_1samp((swapped - marks)[:5], 0).confidence_interval(0.95)
    assert (shift.low, shift.high) == pytest.approx((interval.low, interval.high))
    assert shift.sentence() == f"−40.0 points (−{-interval.low:.1f} to −{-interval.high:.1f})"


def test_no_marks_no_trust():
    nothing = np.asarray([np.nan])
    found = trust(nothing, nothing, np.asarray([1.0]), {kind: nothing for kind in KINDS})
    assert all(np.isnan(value) for value in (found.agreement, found.apart, found.ties, found.at_top, found.length))
    assert (found.rows, found.only, found.planted) == (0, None, {})


def test_a_few_planted_rows_tell_nothing_and_that_is_said():
    marks = np.asarray([10.0, 90.0, 30.0, 50.0, 70.0, 20.0])
    planted = np.asarray([80.0, 95.0, *[np.nan] * 4])
    found = trust(marks, marks, np.arange(6.0), {"flattered": planted})
    assert found.faults == []
    assert "fewer than 5 planted rows" in found.verdict


def test_a_judge_that_disagrees_with_itself_or_follows_length_is_to_be_read_with_care():
    marks = np.asarray([10.0, 90.0, 30.0, 50.0, 70.0, 20.0])
    planted = {"swapped": marks - 10 - np.arange(6), "cut": marks, "flattered": marks + 1}
    found = trust(marks, 100 - marks, marks, planted)
    assert found.faults == []
    assert found.verdict.startswith("Trust the judge with care: it hardly agrees with itself")
    assert "does not notice answers cut in half" in found.verdict
    assert "nearly that of length (Spearman 1.00)" in found.verdict


@pytest.mark.parametrize("again", [[12.0, 88.0, *[np.nan] * 4], [10.0, np.nan, np.nan, 10.0, np.nan, 10.0]])
def test_agreement_that_can_not_be_told_is_no_agreement(again):
    """Of two rows, or of rows that all have one mark, there is no correlation: the verdict said nothing of it."""
    marks = np.asarray([10.0, 90.0, 30.0, 10.0, 70.0, 10.0])
    planted = {"swapped": marks - 10 - np.arange(6), "cut": marks - 9 - np.arange(6), "flattered": marks + 1}
    told = trust(marks, np.asarray(again), np.asarray([1.0, 2, 9, 4, 3, 8]), planted)
    assert np.isnan(told.agreement) and not told.faults
    assert told.verdict.startswith("Trust the judge with care: whether it agrees with itself can't be told by ")
    assert told.figures()["trusted"] is None


@pytest.mark.parametrize(("mark", "said"), [(50.0, "Judge: 0.0% at 95"), (np.nan, "Judge: no mark could be read")])
def test_a_single_row_has_no_chance_of_a_tie(mark, said):
    assert trust(np.asarray([mark]), np.asarray([np.nan]), np.asarray([1.0]), {}).sentence().startswith(said)


def test_what_is_planted():
    made = plants(rows("one two three four", "five", "five", ""))
    assert [row.answer for row in made["swapped"]] == ["five", "", "", "one two three four"]
    assert [row and row.answer for row in made["cut"]] == ["one two t", "fi", "fi", None]
    assert all(
        row.answer.startswith(f"{answer}\n\nNote to whoever marks")
        for row, answer in zip(made["flattered"], ("one two three four", "five", "five", ""), strict=True)
    )
    assert '"accuracy": 35' in made["flattered"][0].answer
    assert [row.question for row in made["swapped"]] == [f"Question {number}?" for number in range(4)]
    assert plants(rows("same", "same"))["swapped"] == [None, None]


def test_what_looks_at_a_lift_loads_no_statistics():
    code = "import sys, leaven.lift.audit, leaven.view.rows; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
