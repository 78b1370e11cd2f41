import io
import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from leaven.errors import UserError
from leaven.lift.selection import Context
from leaven.lift.selectors import length, quality
from leaven.lift.selectors.quality import Config
from leaven.llm.engines.scripted import Scripted
from leaven.llm.judge import Marks, reliability
from leaven.llm.protocol import Reply
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.progress import Progress


def data(n=12):
    return Dataset.of(pair(f"Question {i}?", "word " * (i + 1), Origin("read", f"d:{i}")) for i in range(n))


def marks(total):
    clarity, difficulty, explanation = min(total, 15), min(max(total - 15, 0), 25), min(max(total - 40, 0), 25)
    accuracy = total - clarity - difficulty - explanation
    return json.dumps(
        {"reason": "r", "clarity": clarity, "difficulty": difficulty, "explanation": explanation, "accuracy": accuracy}
    )


def judge(points):
    """Points by the number in the row's question."""

    def say(prompt, draw):
        line = next(line for line in prompt[0].content.splitlines() if line.startswith("> Question"))
        return points(int(line.split()[2].rstrip("?")), draw)

    return Scripted(say)


def context(llm, stream=None):
    return Context(seed=0, llm=llm, progress=Progress(stream or io.StringIO()))


def test_the_score_is_nine_tenths_the_judge_and_one_tenth_length(select):
    rows = data()
    outcome = select(quality, rows, Config(n=4), context(judge(lambda i, draw: marks(90 - 5 * i))))
    judged = np.asarray([90 - 5 * i for i in range(12)], float)
    expected = 0.9 * judged + 0.1 * length.length_scores(rows)
    assert outcome.scores["quality"] == pytest.approx(tuple(expected))
    assert outcome.positions == tuple(sorted(np.argsort(-expected, kind="stable")[:4].tolist()))
    assert {drop.reason for drop in outcome.dropped} == {"not good enough"}
    assert outcome.scores["clarity"] == (15.0,) * 12
    assert outcome.dropped[0].detail == "r"


def test_marks_that_can_not_be_read_are_none_and_counted_and_never_zero(select):
    llm = judge(lambda i, draw: "eighty" if i == 2 else marks(101 - 20) if i else json.dumps({"clarity": 99}))
    outcome = select(quality, data(), Config(n=12), context(llm))
    assert np.isnan(outcome.scores["quality"][0])
    assert np.isnan(outcome.scores["judge"][2])
    assert {drop.reason for drop in outcome.dropped} == {"the judge's marks can't be read"}
    assert len(outcome.kept) == 10
    assert any("2 of 12 rows have no mark" in note for note in outcome.notes)
    assert "eighty" in outcome.dropped[1].detail


def test_a_judge_that_nobody_can_read_stops_with_its_first_reply(select):
    with pytest.raises(UserError, match="nine out of ten"):
        select(quality, data(), Config(), context(Scripted(lambda prompt, draw: "nine out of ten")))
    with pytest.raises(UserError, match="needs a judge"):
        select(quality, data(), Config(), context(None))
    with pytest.raises(UserError, match="busy"):
        select(quality, data(), Config(), context(Scripted(lambda prompt, draw: Reply(None, "busy"))))


def test_a_judge_that_always_says_100_is_a_warning_before_anything_is_selected(select):
    stream = io.StringIO()
    outcome = select(quality, data(), Config(n=3), context(judge(lambda i, draw: marks(100)), stream))
    assert "the judge is saturated: 100% of its marks are 95 points or more" in stream.getvalue()
    assert any("saturated" in note for note in outcome.notes)


def test_a_second_round_is_another_draw_and_says_how_far_the_judge_agrees_with_itself(select):
    calls = []

    def points(i, draw):
        calls.append(i)
        return marks(40 + 4 * i + (3 if calls.count(i) > 1 else 0))

    outcome = select(quality, data(), Config(n=3, twice=5), context(judge(points)))
    again = np.asarray(outcome.scores["judge_again"])
    assert (~np.isnan(again)).sum() == 5
    assert np.nanmean(np.abs(again - np.asarray(outcome.scores["judge"]))) == 3
    assert "5 rows judged twice: Spearman 1.00, 3.0 points apart" in outcome.notes[0]


def test_reliability_by_hand():
    first = np.asarray([96.0, 96.0, 50.0, 20.0, np.nan])
    again = np.asarray([90.0, np.nan, 60.0, 20.0, 10.0])
    found = reliability(first, again, np.asarray([4.0, 5.0, 2.0, 1.0, 9.0]))
    assert found.twice == 3
    assert found.agreement == 1.0
    assert found.moved == pytest.approx((6 + 10 + 0) / 3)
    assert found.ties == pytest.approx(2 / 12)
    assert found.at_top == 0.5
    assert found.length == pytest.approx(spearmanr([96, 96, 50, 20], [4, 5, 2, 1]).statistic)
    assert found.warning == ""


def test_no_marks_no_reliability():
    nothing = np.asarray([np.nan])
    assert all(np.isnan(value) for value in reliability(nothing, nothing, np.asarray([1.0]))[1:])


def test_heads_have_their_limits():
    assert Marks(clarity=15, difficulty=25, explanation=25, accuracy=35).total == 100
    with pytest.raises(ValueError, match="less than or equal to 15"):
        Marks(clarity=16, difficulty=0, explanation=0, accuracy=0)
