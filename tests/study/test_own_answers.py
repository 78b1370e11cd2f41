"""The task of a model's own answers: three parts that share no question, a sentence of each answer, made once."""

import json

import pytest

from leaven.errors import UserError
from leaven.llm.protocol import Reply
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, user
from leaven.runs.progress import stderr
from leaven.study import own_answers
from leaven.study import recipe as recipes
from leaven.study.sources import resolve


class Parrot:
    """An engine that says the question again, and counts how often it is called."""

    name, takes_schema, calls = "parrot", False, 0

    def replies(self, prompts, sampling):
        type(self).calls += 1
        for index, prompt in enumerate(prompts):
            question = prompt[-1].content.removesuffix(" Answer in one short sentence.")
            yield index, Reply(f"You asked “{question.rstrip('.?!…')}”. And now?")


@pytest.fixture
def parrot(monkeypatch):
    monkeypatch.setattr(own_answers.HF, "of", lambda loaded: Parrot())
    monkeypatch.setattr(own_answers.Base, "lend", lambda self: None)
    Parrot.calls = 0
    return Parrot


def recipe_of(tmp_path, **more):
    values = {"model": "lab", "task": "own-answers", "queries": "questions", "methods": ["original"], **more}
    return recipes.parse(values, "test")


def test_no_question_is_in_two_parts_and_each_part_is_large_enough():
    task, test, pool = own_answers.parts()
    texts = [row.question for part in (task, test, pool) for row in part]
    assert len(set(texts)) == len(texts) == 871
    assert len(task) >= 100 and len(test) >= 60
    assert all(len(row.question) < own_answers.SHORT for row in [*task, *test])
    assert sum(len(row.question) >= own_answers.SHORT for row in pool) > 150  # longer ones are for the buffer too
    # `general` and `transfer` take a tenth of the pool each, and 250 rows are left for a buffer of 2.5.
    assert len(pool) >= 600


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ("Lima is the capital. It lies by the sea.", "Lima is the capital."),
        ('He said "yes." Then he left.', 'He said "yes."'),
        ("It costs 3.5 euros. Cheap!", "It costs 3.5 euros."),
        ("1. Wash it\n2. Dry it.", None),
        ("A list:\n- one.", None),
        ("It goes on and on", None),
        ("", None),
    ],
)
def test_an_answer_is_the_first_sentence_of_the_first_line_in_an_object(reply, sentence):
    class Says(Parrot):
        def replies(self, prompts, sampling):
            yield from ((index, Reply(reply)) for index, _ in enumerate(prompts))

    outcome = own_answers.answer(Dataset.of([Example(user("Which?"), Origin("questions"))]), Says())
    if sentence is None:
        assert [drop.reason for drop in outcome.dropped] == ["no short answer"] and not len(outcome.kept)
    else:
        assert json.loads(outcome.kept[0].answer) == {"answer": sentence}
        assert outcome.kept[0].question == "Which?"


def test_a_study_has_its_rows_tests_and_pool_and_the_leak_guard_finds_nothing(tmp_path, parrot):
    _, task = resolve(recipe_of(tmp_path), tmp_path / "run", stderr())
    assert {test.name for test in task.tests} == {"task", "unseen_phrasing", "negation", "transfer", "general"}
    assert task.format.name == "json"
    assert all("<sep>" in row.question for row in task.rows) and len(task.rows) >= 100
    assert min(len(test.rows) for test in task.tests) >= 60
    assert len(task.pool) >= 250
    assert [note for note in task.notes if note.startswith("Leak check") and ": 0 of" not in note] == []
    again = resolve(recipe_of(tmp_path), tmp_path / "run", stderr())[1]
    assert [row.id for row in again.rows] == [row.id for row in task.rows]
    assert parrot.calls == 2  # once for the task, once for its test; then they lie in the folder


def test_questions_that_ship_are_a_pool_for_any_task(tmp_path):
    lines = "".join(json.dumps({"prompt": f"Item {n}?", "completion": "- a\n- b"}) + "\n" for n in range(60))
    (tmp_path / "task.jsonl").write_text(lines)
    recipe = recipe_of(tmp_path, task=str(tmp_path / "task.jsonl"), sizes=[0])
    _, task = resolve(recipe, tmp_path / "run", stderr())
    assert len(task.pool) + len(task.test("general").rows) + len(task.test("transfer").rows) == 871


def test_a_model_without_short_answers_is_told(tmp_path, monkeypatch, parrot):
    monkeypatch.setattr(
        Parrot, "replies", lambda self, prompts, sampling: ((n, Reply("")) for n, _ in enumerate(prompts))
    )
    with pytest.raises(UserError, match="a short answer to 0 of 130") as error:
        resolve(recipe_of(tmp_path), tmp_path / "run", stderr())
    assert "task: FILE" in error.value.hint
