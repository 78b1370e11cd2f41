"""What a study works on: the promised number of test rows is there, and a shared request is no leak."""

import json

import pytest

from leaven.errors import UserError
from leaven.models import base
from leaven.rows import files
from leaven.runs.progress import stderr
from leaven.study import examples, questions
from leaven.study import recipe as recipes
from leaven.study.sources import answers_sentence, resolve

THINGS = (
    "wolf pine lake coin drum sail moss fern kite lamp rope bell cave dune flute glove harp igloo jade knot".split()
)


def resolved(folder, **files_of):
    pool = "".join(json.dumps({"question": f"What is {n} plus {n}?"}) + "\n" for n in range(40))
    (folder / "pool.jsonl").write_text(pool)
    values = {"methods": ["original"], "sizes": [0], "queries": str(folder / "pool.jsonl"), **files_of}
    return resolve(recipes.parse(values, "test"), folder / "run", stderr())[1]


def written(path, questions):
    path.write_text("".join(json.dumps({"question": text, "answer": "- a\n- b"}) + "\n" for text in questions))
    return str(path)


@pytest.mark.parametrize("queries", ["lab", None])
def test_as_many_rows_of_the_labs_example_are_tested_as_are_held_out(tmp_path, queries):
    files.write(examples.rows("lab"), tmp_path / "task.jsonl")
    found = resolved(tmp_path, task=str(tmp_path / "task.jsonl"), **({"queries": queries} if queries else {}))
    assert "20 of the 100 rows" in " ".join(found.notes)
    assert len(found.test("task").rows) == 20 and len(found.rows) == 80
    assert "Leak check: 0 of 20 rows of task" in " ".join(found.notes)


def test_a_request_that_is_put_into_questions_is_no_overlap_and_a_question_is(tmp_path):
    task = written(tmp_path / "task.jsonl", [f"Tell about {n} kinds of {thing}." for n in (3, 5) for thing in THINGS])
    asked = [f"Name things beside a {thing}." for thing in THINGS]
    found = resolved(tmp_path, task=task, test=written(tmp_path / "test.jsonl", [*asked, "tell about 3 kinds of wolf"]))
    assert len(found.test("task").rows) == len(asked)
    (dropped,) = [drop for where, drop in found.dropped if where == "task"]
    assert dropped.reason == "overlaps with a training row (normalised)"


@pytest.mark.parametrize("blank", ["", " \\n"])
def test_task_rows_without_an_answer_are_left_out_and_said(tmp_path, blank):
    task = written(tmp_path / "task.jsonl", [f"Tell about {n} kinds of {thing}." for n in (3, 5) for thing in THINGS])
    with open(task, "a") as file:
        file.write(f'{{"question": "Tell about everything.", "answer": "{blank}"}}\n')
    whole = resolved(tmp_path, task=task)
    assert len(whole.rows) == 20 and len(whole.test("task").rows) == 20
    assert "1 row has no answer and is left out of the task: task.jsonl:41." in whole.notes
    assert [(where, drop.reason) for where, drop in whole.dropped] == [("train", "no answer")]


def test_a_plan_says_who_says_what_the_answers_are(tmp_path):
    task = resolved(tmp_path, task=written(tmp_path / "labels.jsonl", [f"Name {n} birds." for n in range(60)]))
    of = {
        "inferred from them; `answers` names another": {"task": "labels.jsonl"},
        "as `answers` says": {"task": "labels.jsonl", "token": {"answers": "list"}},
        "as the task has it": {"task": "labels.jsonl", "evaluate": {"metric": "text"}},
    }
    for who, values in of.items():
        said = answers_sentence(recipes.parse({"methods": ["original"], **values}, "test"), task)
        counts = "" if who == "as the task has it" else " 40 of 40 answers are bullet lists of 2 items."
        assert said == f"Answers: list, {who}.{counts}"


@pytest.mark.parametrize("named", [{"columns": "question=text,answer=gold"}, {"format": "text/gold"}])
def test_a_pool_may_name_its_fields_otherwise_than_the_task(tmp_path, named):
    rows = [{"text": f"Tell about {n} kinds of {thing}.", "gold": "- a\n- b"} for n in (3, 5) for thing in THINGS]
    (tmp_path / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = resolved(tmp_path, task=str(tmp_path / "task.jsonl"), **named)
    assert len(found.pool) and "pool.jsonl: 40 rows, format prompt-completion (detected)" in " ".join(found.notes)


@pytest.mark.parametrize("exposed", ["keep", "drop"])
def test_queries_that_ask_in_the_phrasings_of_a_test_are_counted_or_left_out(tmp_path, exposed):
    said = [f"Put your response into French. What is {n} times {n}?" for n in range(100)]
    plain = [f"What is {n} less {n}?" for n in range(100)]
    pool = tmp_path / "said.jsonl"
    pool.write_text("".join(json.dumps({"question": text}) + "\n" for text in [*said, *plain]))
    task = written(tmp_path / "task.jsonl", [f"Tell about {n} kinds of {thing}." for n in (3, 5) for thing in THINGS])
    found = resolved(tmp_path, task=task, queries=str(pool), leaks={"exposed": exposed})
    shown = sum("Put your response" in row.question for row in found.pool)
    assert (shown > 0) == (exposed == "keep") and any(row.question in plain for row in found.pool)
    assert f"({shown / len(found.pool):.0%}) ask in their phrasings" in " ".join(found.notes)
    reasons = [drop.reason for where, drop in found.dropped if where == "pool"]
    assert any("asks in a phrasing of the test" in reason for reason in reasons) == (exposed == "drop")


def test_questions_that_the_model_has_written_are_read_without_it(tmp_path, monkeypatch):
    values = {"methods": ["original"], "sizes": [4], "queries": "self", "evaluate": {"limit_test": 5}}
    recipe = recipes.parse({**values, "model": "lab", "sample": {"max_new_tokens": 32}}, "test")
    first = questions.write(recipe, 4, tmp_path, stderr())
    monkeypatch.setattr(base, "load", None)
    again = questions.write(recipe, 4, tmp_path, stderr())
    assert [row.id for row in again.kept] == [row.id for row in first.kept] and len(first.kept) == 10


@pytest.mark.parametrize("task", ["lab", "lab-translation"])
def test_tests_that_a_task_of_the_lab_would_not_be_asked_are_refused(tmp_path, task):
    own = {"name": "sky", "rows": written(tmp_path / "own.jsonl", ["Is the sky blue?"]), "metric": "general"}
    for setting, values in (("test", {"test": own["rows"]}), ("evaluate.tests", {"evaluate": {"tests": [own]}})):
        with pytest.raises(UserError, match=rf"task: {task} has tests of its own, and {setting} is not read"):
            resolve(recipes.parse({"methods": ["original"], "task": task, **values}, "test"), tmp_path, stderr())


def test_no_questions_are_written_for_tests_that_there_are_not():
    """leaven.delia in Python tests nothing, and had the model write 200 questions for it."""
    method = {"name": "delia", "ratio": 2}
    recipe = recipes.parse({"methods": [method], "sizes": [100], "model": "lab", "tune": {"trials": 2}}, "test")
    alone = questions.needed(recipe, 100, tested=False)
    assert 200 < alone < 300 and questions.needed(recipe, 100) == alone + 200
    few = recipe.model_copy(update={"sizes": (4,)})
    assert questions.needed(few, 100, tested=False) == 4 * 24  # of which a trial asks a quarter


def test_a_pool_that_is_written_is_as_large_as_a_choice_looks_at():
    """A buffer chosen of five times as many rows was given questions for one time."""
    plain, chosen = (
        questions.needed(recipes.parse({"methods": [{"name": "delia", "ratio": 2, **choose}]}, "test"), 100)
        for choose in ({}, {"choose": {"selector": "random", "of": 5}})
    )
    assert chosen - plain == pytest.approx(1.1 * 4 * 200, abs=2)


def test_what_the_answers_are_taken_for_is_said_before_the_model_writes_its_questions(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(questions, "write", lambda *about: pytest.fail(capsys.readouterr().err))
    task = written(tmp_path / "task.jsonl", [f"Name two {thing}s, number {n}." for n, thing in enumerate(THINGS * 3)])
    with pytest.raises(pytest.fail.Exception, match="60 of 60 answers are bullet lists of 2 items"):
        resolved(tmp_path, task=task, queries="self")
