import random
import re

from hypothesis import example, given
from hypothesis import strategies as st
from tests.task.metrics.test_metrics import values

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair
from leaven.task.format import open_format
from leaven.task.metrics import robustness, soft_prompt
from leaven.task.phrasebook import phrasings

FORM = open_format("json")
JSON, PLAIN = '{"thought": "t", "hallucination": "no"}', "No."
TESTS = {
    "unseen_phrasing": Dataset.of(pair(f"Is {i} red?\nUse the <sep> format.", JSON, Origin("x")) for i in range(3)),
    "transfer": Dataset.of(pair(f"What is {i}? Please answer as <sep>.", JSON, Origin("x")) for i in range(4)),
}


def test_every_question_is_asked_in_every_held_out_phrasing_and_keeps_its_content():
    rows = list(robustness.rows(TESTS, "<sep>"))
    book = phrasings("follow", "unseen")
    asked = [row for row in rows if row.meta["variant"] == "phrasing"]
    assert len(asked) == 3 * len(book)
    assert {row.question for row in asked if row.question.startswith("Is 0")} == {
        f"Is 0 red?\n{phrasing.format(token='<sep>')}" for phrasing in book
    }
    assert all("<sep>" in row.question for row in rows)
    start = next(row for row in rows if row.meta["variant"] == "start")
    assert start.question.endswith("Is 0 red?")


def test_mean_worst_and_spread_are_over_phrasings():
    rows = robustness.rows(TESTS, "<sep>")
    worst = phrasings("follow", "unseen")[2]
    answers = [PLAIN if row.meta["phrasing"] == worst else JSON for row in rows]
    found = values(robustness, answers, rows, FORM)
    assert found["worst"] == [0] and found["spread"] == [1]
    n = len(phrasings("follow", "unseen"))
    assert sum(found["phrasing"]) / len(found["phrasing"]) == (n - 1) / n
    assert {"start", "end", "upper", "lower", "typing_errors"} <= set(found)


@given(st.text(alphabet="abcdefghij ,.", max_size=60), st.integers(0, 99))
def test_typing_errors_exchange_letters_and_lose_none(text, seed):
    assert sorted(robustness.typed_badly(text, random.Random(seed))) == sorted(text)


@given(st.text(alphabet="abl ,", max_size=40), st.integers(0, 99))
@example("all balls", 0)
def test_there_is_a_typing_error_where_a_long_word_has_two_letters(text, seed):
    changes = any(len(word) > 3 and len(set(word)) > 1 for word in re.findall("[a-z]+", text))
    assert (robustness.typed_badly(text, random.Random(seed)) != text) == changes


def test_what_is_called_a_change_is_one():
    questions = Dataset.of(pair(f"Is {i} red?\nUse <sep>.", JSON, Origin("x")) for i in range(robustness.QUESTIONS))
    rows = list(robustness.rows({"task": questions}, "<sep>"))
    plain = {row.question for row in rows if row.meta["variant"] == "phrasing"}
    assert not [row.question for row in rows if row.meta["variant"] in robustness.CHANGES and row.question in plain]
    changes = [row.meta["variant"] for row in rows if "Lay it out" in row.meta["phrasing"]]
    assert "upper" in changes and "typing_errors" not in changes  # it has no word of four letters


def test_a_soft_prompt_is_controlled_when_the_request_and_the_prohibition_are_obeyed():
    rows = soft_prompt.rows(TESTS, "<sep>")
    paper = [row.question for row in rows if row.meta["wording"] != "phrasebook"]
    assert paper[:2] == ["What is 0? You must follow <sep>.", "What is 0? You must NOT follow <sep>."]
    others = [row.question for row in rows if row.meta["wording"] == "phrasebook"]
    book = {phrasing.format(token="<sep>") for phrasing in phrasings("negative", "unseen")}
    assert len(others) == 4 and all(any(text in question for text in book) for question in others)
    answers = [JSON if row.meta["wording"] == "follow" else PLAIN for row in rows]
    answers[1], answers[3] = JSON, PLAIN  # the first disobeys the paper's prohibition, the second does not follow
    found = values(soft_prompt, answers, rows, FORM)
    assert (found["follow"], found["refrain"], found["refrain_paper"]) == ([1, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1])
    assert (found["controlled"], found["controlled_paper"]) == ([1, 0, 1, 1], [0, 0, 1, 1])


def test_a_robustness_row_keeps_the_turns_before_its_question():
    turns = (Message("system", "Be short."), *pair("Is 1 red? Use <sep>.", JSON, Origin("x")).messages)
    rows = robustness.rows({"task": Dataset.of([Example(turns, Origin("x"))])}, "<sep>")
    assert {row.prompt[0] for row in rows} == {Message("system", "Be short.")} and rows[0].answer == JSON
