"""The tests that are made of a task's test rows and a pool, what a small pool costs, and the ceilings."""

import pytest

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair
from leaven.task.format import open_format
from leaven.task.phrasebook import phrasings
from leaven.task.scoring import question_of
from leaven.task.test import Test
from leaven.task.tests import PLAIN, make_tests, missing_tests, more_tests, with_ceiling
from leaven.task.token import TokenSection

HERE = Origin("x")
TOKEN = TokenSection(text="<x>", means="three short points")
LIST, TEXT = open_format("list"), open_format("text")
ROWS = Dataset.of(pair(f"Is number {n} red?\nUse the <x> format.", f"- no {n}\n- why", HERE) for n in range(8))


def pool(n):
    return Dataset.of(pair(f"What is {i} plus {i}?", f"{2 * i}", HERE, {"source": "pool"}) for i in range(n))


def of(made, name):
    return list(next(test for test in made.tests if test.name == name).rows)


def test_questions_keep_their_content_and_their_answer_where_it_stays_right():
    made = make_tests(ROWS, pool(60), TOKEN, LIST)
    book = {kind: {p.format(token="<x>") for p in phrasings(kind, "unseen")} for kind in ("follow", "negative")}
    for row, other in zip(ROWS, of(made, "unseen_phrasing"), strict=True):
        content, said = other.question.split("\n")
        assert row.question.startswith(content) and said in book["follow"] and other.answer == row.answer
        assert other.origin.parents == (row.id,)
    pairs = of(made, "negation")
    assert len(pairs) == 2 * len(ROWS) and {question_of(row) for row in pairs} == {row.id for row in ROWS}
    for row in pairs:
        assert row.question.split("\n")[1] in book["follow" if row.meta["follow"] else "negative"]
        assert (row.answer is not None) == row.meta["follow"]


def test_transfer_and_general_are_set_apart_from_the_pool_and_have_no_reference():
    made = make_tests(ROWS, pool(60), TOKEN, LIST)
    transfer, general = of(made, "transfer"), of(made, "general")
    assert (len(transfer), len(general), len(made.pool), made.notes) == (6, 6, 48, ())
    contents = [row.question.split("\n")[0] for row in (*transfer, *general, *made.pool)]
    assert sorted(contents) == sorted(row.question for row in pool(60))
    assert all(row.answer is None for row in (*transfer, *general))
    assert all("<x>" in row.question for row in transfer) and not any("<x>" in row.question for row in general)


def test_a_small_pool_costs_transfer_and_says_so_and_a_smaller_one_is_refused():
    assert missing_tests(8, 20, LIST) == []
    made = make_tests(ROWS, pool(19), TOKEN, LIST)
    assert "transfer" not in {test.name for test in made.tests} and len(made.pool) == 14
    assert made.notes == ("The test `transfer` is left out: it takes 20 queries, and the pool has 19.",)
    with pytest.raises(UserError, match="the pool has 9 queries, and the test `general` takes 10"):
        make_tests(ROWS, pool(9), TOKEN, LIST)
    assert "`general` can't be made" in missing_tests(8, 9, LIST)[-1]
    with pytest.raises(UserError, match="no row of the test is left"):
        make_tests(Dataset.of([]), pool(60), TOKEN, LIST)


def test_few_test_rows_are_said():
    assert missing_tests(3, 60, LIST) == ["There are 3 test rows: too few for any difference to be told from noise."]


def test_plain_text_has_the_tests_that_need_no_format_and_says_which_are_left_out():
    made = make_tests(ROWS, pool(60), TOKEN, TEXT)
    assert [(test.name, test.metric) for test in made.tests] == [("task", "text"), ("general", "general")]
    (note,) = made.notes
    assert "unseen_phrasing, negation, transfer and the leak, which need a format, are left out" in note
    translation = make_tests(ROWS, pool(60), TOKEN, TEXT, "translation")
    assert [test.metric for test in translation.tests] == ["translation", "general"] and not translation.notes


def test_the_same_rows_make_the_same_tests():
    first, again = (make_tests(ROWS, pool(60), TOKEN, LIST) for _ in range(2))
    for one, other in zip(first.tests, again.tests, strict=True):
        assert one.rows.frame.equals(other.rows.frame)


def test_a_limit_keeps_both_rows_of_a_question():
    test = next(test for test in make_tests(ROWS, pool(60), TOKEN, LIST).tests if test.name == "negation")
    limited = list(test.limited(3).rows)
    assert len(limited) == 6 and len({question_of(row) for row in limited}) == 3
    assert test.limited(None) is test


def test_a_ceiling_asks_every_question_in_plain_words_and_without_the_token():
    tests = {test.name: with_ceiling(test, TOKEN, LIST) for test in make_tests(ROWS, pool(60), TOKEN, LIST).tests}
    assert tests["general"].ceiling is None
    rows = list(tests["negation"].ceiling)
    wordings = {row.meta[PLAIN] for row in rows}
    assert wordings == {"bullet list", "three short points", LIST.describe()}
    assert len(rows) == 2 * len(ROWS) * len(wordings)
    assert not any("<x>" in row.question for row in rows)
    said = {row.question.split("\n")[1] for row in rows if row.meta[PLAIN] == "three short points"}
    assert said == {"Answer as three short points.", "Do not answer as three short points."}
    named = [row.question for row in tests["unseen_phrasing"].ceiling if row.meta[PLAIN] == "bullet list"]
    assert {q.split("\n")[1] for q in named} <= {p.format(token="bullet list") for p in phrasings("follow", "unseen")}


def test_a_test_whose_rows_do_not_name_the_token_has_no_ceiling():
    rows = Dataset.of([Example((Message("user", "What is red?"),), HERE)])
    assert with_ceiling(Test("mine", rows, "format"), TOKEN, LIST).ceiling is None


def test_more_tests_are_made_of_the_others_and_what_they_need_is_said():
    made = make_tests(ROWS, pool(60), TOKEN, LIST).tests
    robustness, soft = more_tests(["robustness", "soft_prompt"], made, TOKEN)
    assert (robustness.metric, soft.name) == ("robustness", "soft_prompt") and len(soft.rows) == 18
    assert [test.name for test in made if test.name == "general"] == ["general"]
    plain = make_tests(ROWS, pool(60), TOKEN, TEXT).tests
    with pytest.raises(UserError, match="soft_prompt is made of the test transfer, which this study has not"):
        list(more_tests(["soft_prompt"], plain, TOKEN))
