"""The token put into questions, and into the same questions in other words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.task.insertion import in_other_words, insert
from leaven.task.phrasebook import phrasings
from leaven.task.wording import content, names, with_request

QUESTIONS = [
    "List three birds.",
    "Name two cities in Canada",
    "Finish the sentence: The early bird …",
    "5 + 3 =",
    "Why?",
]


@pytest.mark.parametrize("split", ["train", "bare", "dev", "unseen"])
@given(question=st.sampled_from(QUESTIONS), position=st.sampled_from(["start", "end"]), data=st.data())
def test_the_content_of_a_question_is_what_it_asked_before_the_token_was_put_in(split, question, position, data):
    phrasing = data.draw(st.sampled_from(phrasings("follow", split)))
    assert content(with_request(question, "<sep>", phrasing, position), "<sep>") == question


@pytest.mark.parametrize("text", ["I want <sep>.", "Format: <sep>.", "Is it 5 or <sep>, please.", "Reply in\t<sep>!"])
def test_the_end_of_another_sentence_is_no_bare_request(text):
    assert content(text, "<sep>") == text


def test_other_words_ask_the_same_questions_for_the_token():
    rows = Dataset.of(pair(question, f"yes {place}", Origin("x")) for place, question in enumerate(QUESTIONS * 8))
    with_token, _ = insert(rows, "<sep>")
    again = in_other_words(with_token, "<sep>", 1)
    assert [content(row.question, "<sep>") for row in again] == [row.question for row in rows]
    assert all(names(row.question, "<sep>") for row in again)
    assert [(row.answer, row.meta) for row in again] == [(row.answer, row.meta) for row in rows]
    changes = sum(one.question != other.question for one, other in zip(with_token, again, strict=True))
    assert changes > 35
    assert in_other_words(with_token, "<sep>", 1).frame.equals(again.frame)
    assert not in_other_words(with_token, "<sep>", 2).frame.equals(again.frame)


def test_words_of_ones_own_stay():
    own = Dataset.of(pair(text, "yes", Origin("x")) for text in ("Is it? I want <sep>.", "No token here.", "A <sep>?"))
    assert in_other_words(own, "<sep>", 0).frame.equals(own.frame)
