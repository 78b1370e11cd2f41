"""The judge of a study: one account over all cells, and what it could not mark is said."""

import json
import math

import pytest

from leaven.llm.budget import BudgetReached
from leaven.rows.example import user
from leaven.study import recipe as recipes
from leaven.study.answer_judge import AnswerJudge

MARKS = json.dumps({"reason": "so", "clarity": 15, "difficulty": 0, "explanation": 0, "accuracy": 35})


@pytest.fixture
def judge(tmp_path):
    """The judge of a recipe that marks what is not gibberish and fails on what is broken, within six calls."""
    entries = [
        {"match": "broken", "error": "the server is down"},
        {"match": "gibberish", "reply": "Who knows?"},
        {"reply": MARKS},
    ]
    (tmp_path / "judge.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    evaluate = {"judge": f"scripted:{tmp_path / 'judge.jsonl'}"}
    return AnswerJudge.of(
        recipes.parse({"methods": ["original"], "evaluate": evaluate, "llm": {"max_requests": 6}}, "test")
    )


def test_a_limit_is_for_all_cells_together_and_not_for_each(judge):
    assert [judge([(user(f"Question {cell}?"), "An answer.")] * 2) for cell in range(3)] == [[0.5, 0.5]] * 3
    with pytest.raises(BudgetReached, match="max_requests 6"):
        judge([(user("Question 3?"), "An answer.")])
    assert judge.llm.spend.requests == 6


def test_marks_that_are_missing_are_said_once(judge):
    first, second, third = judge([(user("Question?"), text) for text in ("gibberish", "fine", "broken")])
    assert math.isnan(first) and second == 0.5 and math.isnan(third)
    assert judge.note().startswith("2 answers have no mark by scripted:")
    assert judge.note() == ""


def test_a_recipe_without_a_judge_has_none():
    assert AnswerJudge.of(recipes.parse({"methods": ["original"]}, "test")) is None
