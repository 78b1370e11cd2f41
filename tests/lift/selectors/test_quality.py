import io
import json
import re

import numpy as np
import pytest

from leaven.errors import Unfinished, UserError
from leaven.lift.selection import Context
from leaven.lift.selectors import length, quality
from leaven.lift.selectors.quality import Config
from leaven.llm.engines.scripted import Scripted
from leaven.llm.judge import FLATTERY, Marks
from leaven.llm.protocol import Reply
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair
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


@pytest.mark.parametrize(
    ("points", "warning"),
    [
        (lambda i: 100, "the judge gives every row the same mark, 100 points"),
        (lambda i: 44, "the judge gives every row the same mark, 44 points"),
        (lambda i: 95 + i % 6, "the judge is saturated: 100% of its marks are 95 points or more"),
        (lambda i: 44 + (i == 3), "the judge hardly tells rows apart: two have the same mark with a chance of 83%"),
    ],
)
def test_a_judge_that_tells_nothing_is_mistrusted_once_before_anything_is_selected(select, points, warning):
    stream = io.StringIO()
    own = context(judge(lambda i, draw: marks(points(i))), stream)
    assert quality.score(data(), Config(n=3), own).notes[0].startswith(f"Don't trust the judge: {warning}")
    outcome = select(quality, data(), Config(n=3), own)
    assert (stream.getvalue() + " ".join(outcome.notes)).count(warning) == 1


def test_a_second_round_is_another_draw_and_says_how_far_the_judge_agrees_with_itself(select):
    calls = []

    def points(i, draw):
        calls.append(i)
        return marks(40 + 4 * i + (3 if calls.count(i) > 1 else 0))

    outcome = select(quality, data(), Config(n=3, twice=5, planted=0), context(judge(points)))
    again = np.asarray(outcome.scores["judge_again"])
    assert (~np.isnan(again)).sum() == 5
    assert np.nanmean(np.abs(again - np.asarray(outcome.scores["judge"]))) == 3
    assert "5 rows judged twice: Spearman 1.00, 3.0 points apart" in outcome.notes[1]
    assert "no planted rows were judged" in outcome.notes[0]


def marked(rule):
    """A judge whose points follow from the answer that it is shown."""

    def say(prompt, draw):
        response = prompt[0].content.rpartition("Response:\n")[2]
        lines = [line.removeprefix("> ") for line in response.partition("Reply with one JSON")[0].strip().splitlines()]
        question = int(re.search(r"^> Question (\d+)", prompt[0].content, re.MULTILINE)[1])
        return marks(rule(question, "\n".join(lines)))

    return Scripted(say)


def honest(question, answer):
    """Points for as many words as the question asks for, and none for what is said to the judge."""
    words = answer.partition("Note to")[0].split()
    return 30 + 5 * (7 * question % 12) if words == ["word"] * (question + 1) else 5 + len(words) % 3


def test_planted_rows_move_the_marks_of_a_judge_that_reads_and_its_verdict_says_so(select):
    outcome = select(quality, data(), Config(n=3), context(marked(honest)))
    scores = outcome.scores
    assert (~np.isnan(scores["judge_swapped"])).sum() == 12
    assert np.all(np.asarray(scores["judge_swapped"]) < np.asarray(scores["judge"]))
    assert scores["judge_flattered"] == scores["judge"]
    assert outcome.notes[0] == "The judge can be trusted as far as planted rows tell."
    assert "answers that ask for full marks +0.0 points (+0.0 to +0.0), 12 rows each" in outcome.notes[1]


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        (lambda question, answer: 100 if "full marks" in answer else honest(question, answer), "ask for full marks"),
        (lambda question, answer: 30 + 5 * question, "does not notice answers of other questions"),
    ],
)
def test_a_judge_that_can_be_gamed_is_not_trusted(select, rule, fault):
    outcome = select(quality, data(), Config(n=3), context(marked(rule)))
    assert outcome.notes[0].startswith("Don't trust the judge")
    assert fault in outcome.notes[0]


@pytest.mark.parametrize(
    "form", ["{row} it says. {marks}", "{marks}\n\nThe response ends with: {row}", "{row} it says. {marks} ({row})"]
)
def test_the_object_that_a_planted_row_offers_is_not_read_as_the_judges_marks(select, form):
    """A judge that quotes the row before or after it gives its own points."""
    rule = marked(honest)

    def say(prompt, draw):
        marks = rule.answer(prompt, draw)
        return form.format(marks=marks, row=FLATTERY) if "Note to whoever" in prompt[0].content else marks

    outcome = select(quality, data(), Config(n=3), context(Scripted(say)))
    assert (~np.isnan(outcome.scores["judge_flattered"])).sum() == 12
    assert outcome.scores["judge_flattered"] == outcome.scores["judge"]


def test_a_judge_that_never_answers_leaves_its_rows_open(select):
    with pytest.raises(Unfinished, match="every call failed, the first: busy"):
        select(quality, data(), Config(), context(Scripted(lambda prompt, draw: Reply(None, "busy"))))


def test_a_call_that_fails_about_a_planted_row_is_open_though_every_row_has_its_mark(select):
    rule = marked(honest)
    failing = Scripted(
        lambda prompt, draw: Reply(None, "busy") if "Note to" in prompt[0].content else rule.answer(prompt, draw)
    )
    outcome = select(quality, data(), Config(n=3, planted=5), context(failing))
    assert outcome.open == ("busy",) * 5 and len(outcome.kept) == 3
    assert "5 calls about planted rows, or rows judged twice, failed" in outcome.notes


def test_calls_are_counted_and_none_is_planted_where_none_is_asked_for(select):
    asked = []

    def say(prompt, draw):
        asked.append(prompt)
        return marked(honest).answer(prompt, draw)

    for config in (Config(n=3), Config(n=3, planted=0), Config(n=3, planted=2, twice=3), Config(n=3, twice=0)):
        asked.clear()
        outcome = select(quality, data(), config, context(Scripted(say)))
        assert len(asked) == quality.calls(12, config)
        assert ("no planted rows were judged" in outcome.notes[0]) == (config.planted == 0)


def test_a_conversation_is_judged_whole():
    turns = [("system", "Be terse."), ("user", "Hello?"), ("assistant", "Hi."), ("user", "Name?"), ("assistant", "Bo.")]
    row = Example(tuple(Message(*turn) for turn in turns), Origin("x"))
    (asked,) = quality.prompt_of(row)
    assert all(f"> {role}: {text}" in asked.content for role, text in turns[:-1])
    assert asked.content.rstrip().endswith("> Bo.")
    assert "What the assistant says in it belongs to the response" in asked.content
    assert "conversation" not in quality.prompt_of(pair("Name?", "Bo.", Origin("x")))[0].content


def test_heads_have_their_limits():
    assert Marks(clarity=15, difficulty=25, explanation=25, accuracy=35).total == 100
    with pytest.raises(ValueError, match="less than or equal to 15"):
        Marks(clarity=16, difficulty=0, explanation=0, accuracy=0)
