"""What the untouched model says in plain words, and which tests tell nothing of a model."""

import pytest

from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.study import ceilings
from leaven.task.format import open_format
from leaven.task.metrics import soft_prompt
from leaven.task.metrics.general import UNTOUCHED
from leaven.task.phrasebook import phrasings
from leaven.task.test import Test
from leaven.task.tests import PLAIN, with_ceiling
from leaven.task.token import TokenSection

LIST, TOKEN = open_format("list"), TokenSection(text="<x>", means="short points")
ROWS = Dataset.of(pair(f"Is {n} red?\nUse the <x> format.", "- no\n- yes", Origin("x")) for n in range(4))


def knows(words):
    """A model that makes a list where it is asked in these words, and says no otherwise."""
    return lambda prompts: ["- no\n- yes" if words in prompt[-1].content else "No." for prompt in prompts]


def measured(words):
    test = with_ceiling(Test("task", ROWS, "format"), TOKEN, LIST)
    frame = ceilings.answer(test, knows(words))
    assert frame.columns == ["wording", "item", "prompt", "answer"] and frame.height == len(test.ceiling)
    return test, ceilings.ceiling(test, frame["answer"].to_list(), LIST)


def test_the_ceiling_is_that_of_the_words_that_serve_best():
    _, found = measured("bullet list")
    assert found.values["task/format"] == 1 and found.wording == "bullet list" and found.questions == 4
    assert measured("short points")[1].wording == "short points"


def test_a_test_that_neither_words_nor_training_reach_is_not_testable():
    test, found = measured("a form that nobody names")
    assert found.values["task/format"] == 0
    verdict = ceilings.verdicts([test], {"task": found}, {"task/format": 0.25})["task"]
    assert not verdict["testable"] and verdict["ceiling"]["format"] == 0
    assert "no trained method more than 25%" in verdict["reason"]
    taught = ceilings.verdicts([test], {"task": found}, {"task/format": 0.5})["task"]
    assert taught["testable"] and "training taught what the words did not elicit" in taught["taught"]


def test_a_prohibition_that_the_name_itself_fails_is_out_of_reach_and_the_other_wording_is_not():
    """The untouched model follows the name, and is not told by the paper's words not to: no synonym could pass."""
    queries = Dataset.of(pair(f"Name {n}.", "", Origin("x")) for n in range(4))
    test = Test("soft_prompt", soft_prompt.rows({"transfer": queries}, "<x>"), "soft_prompt")
    test = with_ceiling(test, TOKEN, LIST)
    assert {row.meta[PLAIN] for row in test.ceiling} == {"bullet list"}  # a name, and no description in other sentences
    book = [text.format(token="bullet list") for text in phrasings("negative", "unseen")]
    answers = ["No." if any(text in row.question for text in book) else "- a\n- b" for row in test.ceiling]
    reached = ceilings.ceiling(test, answers, LIST)
    verdict = ceilings.verdicts([test], {"soft_prompt": reached}, {})["soft_prompt"]
    assert verdict["testable"] and verdict["ceiling"]["controlled"] == 1
    assert verdict["out_of_reach"] == ["soft_prompt/refrain_paper", "soft_prompt/controlled_paper"]
    taught = ceilings.verdicts([test], {"soft_prompt": reached}, {"soft_prompt/controlled_paper": 0.8})["soft_prompt"]
    assert taught["out_of_reach"] == ["soft_prompt/refrain_paper"]


def test_a_test_without_a_ceiling_has_no_verdict():
    assert ceilings.verdicts([Test("general", ROWS, "general")], {}, {}) == {}
    assert ceilings.ceiling(Test("general", ROWS, "general"), [], LIST) is None


def test_only_plain_questions_are_answered_by_the_untouched_model_beforehand():
    general = ceilings.with_own_answers(Test("general", ROWS, "general"), knows("3"))
    assert [row.meta[UNTOUCHED] for row in general.rows] == ["No.", "No.", "No.", "- no\n- yes"]
    test = Test("task", ROWS, "format")
    assert ceilings.with_own_answers(test, pytest.fail) is test
