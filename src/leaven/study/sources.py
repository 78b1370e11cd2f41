"""The rows that a recipe names: read, said, guarded against leaks, and turned into the tests of a study."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from leaven.errors import UserError
from leaven.lab import hallucination, translation
from leaven.models import names
from leaven.rows import files, leaks
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop
from leaven.rows.outcomes import Outcome
from leaven.runs.progress import Progress
from leaven.study import own_answers, questions
from leaven.study.recipe import Recipe
from leaven.task import exposure
from leaven.task import tests as tests_of_task
from leaven.task.format import Format, choose, open_format, refuse_none, tally
from leaven.task.holdout import hold_out
from leaven.task.insertion import insert
from leaven.task.task import Task
from leaven.task.test import Test
from leaven.task.wording import content

SELF = "self"
"""The name of a pool that the model writes itself."""
QUESTIONS = "questions"
"""The name of the pool that ships: questions on anything, short and longer ones."""
PLAIN_TEXT = ("translation", "text")
"""Metrics whose answers have no format."""
LAB = ("lab", "lab-translation")
"""Tasks of the lab, which say themselves what their answers are."""


@dataclass(frozen=True, slots=True)
class PythonRows:
    """Rows that a caller in Python has, in place of files: whatever `files.read` takes; None: as the recipe says."""

    task: Any = None
    test: Any = None
    queries: Any = None


def resolve(
    recipe: Recipe, folder: Path, progress: Progress, split: str = "test", python_rows: PythonRows | None = None
) -> tuple[Recipe, Task]:
    """The recipe with the path of its model, and what it works on: read, guarded against leaks, with its tests.

    Without test rows some of the task's are held out; without queries the model writes them, into `folder`; the token
    is put into questions that do not name it. Each is said in the task's notes.
    """
    if split not in ("test", "dev"):
        raise UserError(f"--split is {split!r}", "Known: test, dev.")
    recipe = recipe.model_copy(update={"model": names.path(recipe.model)})
    python_rows = python_rows or PythonRows()
    if recipe.task == "lab-translation":
        if recipe.queries != "lab":
            raise UserError("task: lab-translation goes with queries: lab", "Leave `queries` out of the recipe.")
        _refuse_tests(recipe, python_rows)
        return recipe, replace(translation.task(split), token=recipe.token)
    if recipe.task == own_answers.NAME:
        python_rows = _own_answers(recipe, folder, progress)
    if recipe.task == "lab":
        _refuse_tests(recipe, python_rows)
        task = hallucination.task(recipe.token.text, split)
        if recipe.queries != "lab":
            pool = _pool(recipe, len(task.rows), python_rows, folder, progress)
            task = replace(task, pool=pool.kept, notes=pool.notes, dropped=_named(("pool", pool)))
    else:
        task = _read(recipe, python_rows, folder, progress, split)
    task = replace(guard(task, recipe), token=recipe.token)
    if recipe.leaks.exposed == "drop":
        task = exposure.leave_out(task)
    return recipe, replace(task, notes=(*task.notes, *exposure.count(task)))


def _refuse_tests(recipe: Recipe, python_rows: PythonRows) -> None:
    """Raises UserError for tests of the user's beside a task of the lab's, which would not be asked."""
    settings = {"test": recipe.test or python_rows.test, "evaluate.tests": recipe.evaluate.tests}
    if unread := [name for name, value in settings.items() if value is not None and len(value)]:
        raise UserError(
            f"task: {recipe.task} has tests of its own, and {unread[0]} is not read",
            f"Leave {' and '.join(unread)} out, or bring the task too: task: FILE.",
        )


def _read(recipe: Recipe, python_rows: PythonRows, folder: Path, progress: Progress, split: str) -> Task:
    """The task, its test and the pool, of files or of rows from Python."""
    source = recipe.task if python_rows.task is None else python_rows.task
    task = files.read(source, recipe.format, columns=recipe.columns, strict=recipe.strict)
    task = answered(task, recipe.task)
    metric, token = recipe.evaluate.metric, recipe.token.text
    notes, rows = [*task.notes], task.kept
    if metric != "translation":
        rows, sentence = insert(rows, token)
        notes.append(sentence)
    form, form_sentence = _format_of(recipe, rows)
    notes.append(form_sentence)
    if python_rows.test is None and not recipe.test:
        test = Outcome(Dataset.of([]))
        rows, held_out, sentence = hold_out(
            rows, recipe.task, config=recipe.leaks, content=partial(content, token=token)
        )
        notes.append(sentence)
    else:
        test = _beside(python_rows.test, recipe.test or "", recipe)
        held_out, sentence = insert(test.kept, token) if metric != "translation" else (test.kept, "")
        notes += [*test.notes, sentence]
    if python_rows.queries is None and recipe.queries == "lab":
        pool = Outcome(hallucination.task(token, split).pool)
    else:
        if python_rows.queries is None and recipe.queries == SELF:
            progress.say(form_sentence)  # before the minutes that the questions take
        pool = _pool(recipe, len(rows), python_rows, folder, progress)
    own, others = _tests_of_ones_own(recipe, form)
    notes += (*pool.notes, *(note for _, other in others for note in other.notes))
    return Task(
        rows,
        (Test("task", held_out, tests_of_task.metric_of(metric, form)), *own),
        pool.kept,
        form,
        recipe.token,
        tuple(filter(None, notes)),
        _named(("train", task), ("test", test), ("pool", pool), *others),
    )


def answered(task: Outcome, name: str) -> Outcome:
    """The task rows that have an answer; of the others nothing can be learnt, and none can be tested by them.

    Raises UserError where no row has one.
    """
    bare = [place for place, row in enumerate(task.kept) if not row.is_answered]
    if not bare:
        return task
    if len(bare) == len(task.kept):
        raise UserError(f"{name}: no row has an answer", "Task rows are questions with their answers.")
    drops = [Drop(task.kept[place], "no answer") for place in bare]
    rows = "1 row has no answer and is" if len(bare) == 1 else f"{len(bare):,} rows have no answer and are"
    note = f"{rows} left out of the task: {drops[0].example.origin.place}{'' if len(bare) == 1 else ' (the first)'}."
    kept = task.kept.rows(sorted(set(range(len(task.kept))) - set(bare)), "answered")
    return replace(task, kept=kept, dropped=(*task.dropped, *drops), notes=(*task.notes, note))


def _own_answers(recipe: Recipe, folder: Path, progress: Progress) -> PythonRows:
    """The task of the model's own answers, and what of its test and pool the recipe does not name otherwise."""
    task, test, others = own_answers.write(recipe, folder, progress)
    return PythonRows(task, None if recipe.test else test, others if recipe.queries == QUESTIONS else None)


def _beside(python_rows: Any, source: str, recipe: Recipe) -> Outcome:
    rows = source if python_rows is None else python_rows
    return files.read_beside(rows, recipe.format, recipe.columns, recipe.strict)


def _named(*outcomes: tuple[str, Outcome]) -> tuple[tuple[str, Drop], ...]:
    return tuple((where, drop) for where, outcome in outcomes for drop in outcome.dropped)


def _pool(recipe: Recipe, task_rows: int, python_rows: PythonRows, folder: Path, progress: Progress) -> Outcome:
    """The queries of the recipe's file or of Python, or those that the model writes itself."""
    if python_rows.queries is None and recipe.queries == SELF:
        return questions.write(recipe, task_rows, folder, progress)
    if python_rows.queries is None and recipe.queries == QUESTIONS:
        return Outcome(questions.shipped())
    return _beside(python_rows.queries, recipe.queries, recipe)


def guard(task: Task, recipe: Recipe) -> Task:
    """The task without leaking rows, and with the tests that a file's rows make possible.

    The lab's rows are kept apart by what they are about: only files are searched.
    """
    if recipe.task == "lab" and recipe.queries == "lab":
        return task
    notes, dropped = list(task.notes), list(task.dropped)
    if recipe.leaks.enabled:
        tests_rows = {test.name: test.rows for test in task.tests}
        question = partial(content, token=recipe.token.text)
        result = leaks.guard(task.rows, tests_rows, task.pool, recipe.leaks, question)
        dropped += result.dropped
        notes += _about_leaks(result.dropped, task)
        tests = tuple(replace(test, rows=result.tests[test.name]) for test in task.tests)
        task = replace(task, tests=tests, pool=task.pool if result.pool is None else result.pool)
    else:
        notes.append("The leak check is off: the scores may be those of rows that training has seen.")
    if recipe.task != "lab":
        task = _with_made_tests(replace(task, notes=tuple(notes)), recipe)
        notes = list(task.notes)
    if empty := [test.name for test in task.tests if not len(test.rows)]:
        raise UserError(f"no row of the test {empty[0]} is left", "Bring test rows that training has not seen.")
    return replace(task, notes=tuple(notes), dropped=tuple(dropped))


def _tests_of_ones_own(recipe: Recipe, form: Format) -> tuple[list[Test], list[tuple[str, Outcome]]]:
    """The tests that the recipe names beside those that are made, and how their files were read."""
    tests, outcomes = [], []
    for section in recipe.evaluate.tests:
        outcome = _beside(None, section.rows, recipe)
        metric = tests_of_task.metric_of(section.metric, form)
        tests.append(Test(section.name, outcome.kept, metric, section.settings))
        outcomes.append((section.name, outcome))
    return tests, outcomes


def _with_made_tests(task: Task, recipe: Recipe) -> Task:
    """The tests that are made of the task's own and of the pool, beside those of the user."""
    first, *own = task.tests
    suite = tests_of_task.make_tests(first.rows, task.pool, recipe.token, task.format, recipe.evaluate.metric)
    settings = {"bleurt": recipe.evaluate.bleurt} if recipe.evaluate.bleurt else {}
    main, *others = suite.tests
    tests = (replace(main, settings=settings), *others, *own)
    return replace(task, tests=tests, pool=suite.pool, notes=(*task.notes, *suite.notes))


def _format_of(recipe: Recipe, rows: Dataset) -> tuple[Format, str]:
    """How answers show what the token means, as told or as the task's answers show it, and a sentence that says so."""
    token = recipe.token
    if recipe.evaluate.metric in PLAIN_TEXT:
        return open_format("text"), "The answers are plain text."
    answers = [row.answer for row in rows if row.answer is not None]
    form, sentence = choose(token.answers, token.answer_settings, answers)
    refuse_none(form, answers)
    return form, sentence


def answers_sentence(recipe: Recipe, task: Task) -> str:
    """What a task's answers are taken for, who says so, and how many of them are in that format."""
    form, named = task.format, recipe.token.answers
    if recipe.evaluate.metric in PLAIN_TEXT or recipe.task in LAB:
        return f"Answers: {form.spec}, as the task has it."
    who = "inferred from them; `answers` names another" if named == "auto" else "as `answers` says"
    return f"Answers: {form.spec}, {who}. {tally(form, [row.answer for row in task.rows if row.answer is not None])}"


def _about_leaks(dropped: tuple[tuple[str, Drop], ...], task: Task) -> list[str]:
    sizes = {**{test.name: len(test.rows) for test in task.tests}, "pool": len(task.pool)}
    counts = {name: sum(where == name for where, _ in dropped) for name in sizes}
    return [
        f"Leak check: {count:,} of {sizes[name]:,} rows of {name} leaked and are left out."
        for name, count in counts.items()
    ]
