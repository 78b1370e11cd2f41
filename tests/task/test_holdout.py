"""Rows are held out whole and seeded, and the token is put into questions that do not name it."""

import re
from functools import partial

import pytest

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair
from leaven.rows.leaks import LeaksSection
from leaven.rows.passages import fold
from leaven.task.holdout import hold_out
from leaven.task.insertion import insert
from leaven.task.phrasebook import phrasings
from leaven.task.wording import content, names


def task(n, question="Name fish {}."):
    return Dataset.of(pair(question.format(i), "- cod", Origin("x", f"f:{i}")) for i in range(n))


@pytest.mark.parametrize(("rows", "held"), [(40, 20), (100, 20), (200, 40), (900, 100)])
def test_a_fifth_is_held_out_at_least_20_and_at_most_100(rows, held):
    train, test, said = hold_out(task(rows), "task.jsonl")
    assert len(test) == held and len(train) == rows - held
    assert said == f"{held} of the {rows} rows of task.jsonl are held out for the test, drawn with seed 0."
    places = {row.id: place for place, row in enumerate(task(rows))}
    assert sorted(places[row.id] for row in (*train, *test)) == list(range(rows))
    for part in (train, test):
        assert [places[row.id] for row in part] == sorted(places[row.id] for row in part)


def test_the_draw_is_seeded():
    drawn = [[row.id for row in hold_out(task(60), "t", seed)[1]] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_too_few_rows_are_refused():
    with pytest.raises(UserError, match="rows has 39 rows: too few to hold 20") as error:
        hold_out(task(39), "rows")
    assert "--test FILE" in error.value.hint
    with pytest.raises(UserError, match="rows has 1 row: too few"):
        hold_out(task(1), "rows")


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_ask_the_same_are_held_out_together_or_not_at_all(seed):
    doubled = task(30) + task(30, "name   FISH {}") + task(40, "Name tree {}.")
    train, test, _ = hold_out(doubled, "t", seed)
    assert len(test) == 20
    sides = [{fold(row.question) for row in part} for part in (train, test)]
    assert not sides[0] & sides[1] and len(sides[1]) < 20


def test_fewer_are_held_out_where_groups_do_not_fit_and_none_where_all_ask_the_same():
    thrice = task(14) + task(14, "name fish {}") + task(14, "NAME fish {}")
    _, test, said = hold_out(thrice, "t")
    assert len(test) == 18 and said.startswith("18 (not 20: many ask the same) of the 42 rows of t are held out")
    with pytest.raises(UserError, match="the questions of t overlap so much that none can be held out"):
        hold_out(task(50, "Name a fish."), "t")
    assert len(hold_out(task(50, "Name a fish."), "t", config=LeaksSection(enabled=False))[1]) == 20


def test_only_the_content_of_questions_is_compared():
    same = [f"{phrasing} Name fish {i}." for i, phrasing in enumerate(4 * phrasings("follow", "train")[:10])]
    rows = Dataset.of(pair(text.replace("{token}", "<x>"), "- cod", Origin("x", text)) for text in same)
    _, test, _ = hold_out(rows, "t", content=partial(content, token="<x>"))
    assert len(test) == 20
    with pytest.raises(UserError, match="overlap so much"):
        hold_out(rows, "t", content=lambda text: "Name fish.")


def test_each_question_asks_for_the_token_in_its_own_way_and_three_are_shown():
    rows, note = insert(task(60), "<x>")
    assert all(names(row.question, "<x>") and f"Name fish {i}." in row.question for i, row in enumerate(rows))
    requests = {row.question.replace(f"Name fish {i}.", "").strip() for i, row in enumerate(rows)}
    assert len(requests) > 10 and requests <= {
        text.format(token="<x>") for text in phrasings("follow", "train") + phrasings("follow", "bare")
    }
    assert {row.question.startswith("Name") for row in rows} == {True, False}
    assert note.count("\n  ") == 3 and rows[0].question in note
    assert [row.question for row in insert(task(60), "<x>")[0]] == [row.question for row in rows]


def test_rows_that_name_it_already_stay_as_they_are():
    rows = task(3, "Name fish {}. Use <x>.")
    assert insert(rows, "<x>") == (rows, "")


@pytest.mark.parametrize("mark", ["<sep>", "<|sep|>"])
def test_another_token_than_the_questions_name_is_refused(mark):
    rows = task(19, f"Name fish {{}}. Use {mark}.") + task(1, "Name tree {}.")
    with pytest.raises(UserError, match=re.escape(f"the questions name {mark}, not <x>")) as error:
        insert(rows, "<x>")
    assert error.value.hint.startswith(f'--token "{mark}"')


@pytest.mark.parametrize("question", ["Is <b>fish {}</b> red?", "Is 1 < {} and 3 > 2?", "Is <fish{}> red?"])
def test_tags_comparisons_and_words_of_a_single_question_are_no_token(question):
    assert insert(task(5, question), "<x>")[1].startswith("No question names <x>")


def test_only_the_last_question_of_a_conversation_asks():
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    rows, _ = insert(Dataset.of([Example(tuple(Message(*turn) for turn in turns), Origin("x"), {"k": 1})]), "<x>")
    texts = [message.content for message in rows[0].messages]
    assert texts[:2] == ["a", "b"] and "<x>" in texts[2] and texts[3] == "d" and rows[0].meta == {"k": 1}
