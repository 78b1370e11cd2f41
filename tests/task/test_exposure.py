"""What of a test the pool shows: counted as by hand, and left out on request."""

from dataclasses import replace

import pytest

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.task import exposure
from leaven.task.format import open_format
from leaven.task.task import Task
from leaven.task.test import Test
from leaven.task.token import TokenSection


def rows(*pairs):
    return Dataset.of(pair(question, answer, Origin("x")) for question, answer in pairs)


UNSEEN = rows(
    ("Name a bird. Put your response into <sep>.", '{"a": 1}'),
    ("Lay it out the <sep> way. Name a fish.", '{"a": 1}'),
    ("Name a tree.\n<sep>.", '{"a": 1}'),  # nothing but the token: everybody's phrasing
)
POOL = rows(
    ("Name a poet. Put your response into yaml.", "name: Homer"),
    ("Lay it out the bullet list way. Name two.", "- a\n- b"),
    ("Put your response there. Name one.", "a"),  # no word at the token's place
    ("Lay it out. The usual way. Name one.", "a"),  # two sentences are not the phrasing
    ("Name three in an object.", '{"a": 1}'),
    ("Name four.", "a, b, c and d"),
)
TESTS = (Test("unseen_phrasing", UNSEEN, "format"), Test("general", POOL, "general"))


def task(pool=POOL, tests=TESTS, form="json"):
    return Task(UNSEEN, tests, pool, open_format(form), TokenSection())


def test_queries_are_counted_that_ask_in_a_tests_phrasings_or_are_answered_in_the_format():
    (sentence,) = exposure.count(task())
    assert sentence == (
        "What the pool shows of the test unseen_phrasing: of 6 queries 2 (33%) ask in its phrasings with another word "
        "in the token's place; 1 (17%) of its answers are in the format."
    )


def test_a_pool_without_answers_leaves_their_count_to_the_cells():
    (sentence,) = exposure.count(task(Dataset.of(replace(row, messages=row.prompt) for row in POOL)))
    assert "2 (33%) ask" in sentence and sentence.endswith("answers are in the format is in the notes of the cells.")
    assert exposure.count(task(form="text")) == [] == exposure.count(task(Dataset.of([])))


def test_tests_that_the_pool_shows_alike_share_a_sentence():
    others = rows(("Put it as plain <sep>. Name a city.", '{"a": 1}'))
    tests = (*TESTS, Test("negation", others, "negation"), Test("transfer", others, "format"))
    first, second = exposure.count(task(tests=tests))
    assert "of the test unseen_phrasing: of 6 queries 2 (33%) ask in its" in first
    assert "of the tests negation, transfer: of 6 queries 0 (0%) ask in their" in second


def test_such_queries_leave_the_pool_by_name():
    left = exposure.leave_out(task())
    assert [row.question for row in left.pool] == [row.question for row in POOL.rows([2, 3, 5])]
    reasons = [(where, drop.reason, drop.example.question) for where, drop in left.dropped]
    assert [reason for _, reason, _ in reasons] == [
        "asks in a phrasing of the test unseen_phrasing",
        "asks in a phrasing of the test unseen_phrasing",
        "answered in the format",
    ]
    assert left.notes[-1].startswith("3 of 6 queries of the pool showed")
    assert "of 3 queries 0 (0%) ask" in exposure.count(left)[0]


def test_a_pool_that_is_left_empty_is_refused():
    with pytest.raises(UserError, match="every query of the pool shows"):
        exposure.leave_out(task(POOL.rows([0, 4])))
