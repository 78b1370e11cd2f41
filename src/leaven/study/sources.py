"""The rows that a recipe names: read, said, guarded against leaks, and turned into the tests of a study."""

import random
from collections.abc import Callable
from dataclasses import replace

from leaven.errors import UserError
from leaven.rows import files, leaks
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin
from leaven.rows.outcomes import Outcome
from leaven.study import parallel
from leaven.study.recipe import Recipe
from leaven.task import objects
from leaven.task.phrasebook import phrasings
from leaven.task.task import Task
from leaven.task.test import Test
from leaven.task.wording import negated

POOL_TEST_ROWS = 100
"""Queries of the pool that are set apart to ask for transfer, and as many for what was known before."""


def read(recipe: Recipe, pool: Dataset | None) -> Task:
    """The task, its tests and the pool, from files; `pool` stands in for `queries: lab`."""
    if recipe.test is None:
        raise UserError("there are no test rows", "Name a file of them: --test FILE, or `test:` in the recipe.")
    task, test = _rows(recipe.task, recipe), _rows(recipe.test, recipe)
    queries = _rows(recipe.queries, recipe) if pool is None else Outcome(pool)
    notes = (*task.notes, *test.notes, *queries.notes)
    if recipe.evaluate.metric != "translation":
        _check_task(task.kept, recipe)
        notes += (*_about_targets(task.kept),)
    outcomes = (("train", task), ("test", test), ("pool", queries))
    dropped = tuple((where, drop) for where, outcome in outcomes for drop in outcome.dropped)
    metric = recipe.evaluate.metric
    return Task(task.kept, (Test(metric, test.kept, metric),), queries.kept, recipe.token, notes, dropped)


def with_pool(task: Task, recipe: Recipe) -> Task:
    """The same task and tests with the pool of a file."""
    outcome = _rows(recipe.queries, recipe)
    dropped = tuple(("pool", drop) for drop in outcome.dropped)
    return replace(task, pool=outcome.kept, notes=(*task.notes, *outcome.notes), dropped=(*task.dropped, *dropped))


def _rows(source: str, recipe: Recipe) -> Outcome:
    return files.read(source, recipe.format, columns=recipe.columns, strict=recipe.strict)


def guarded(task: Task, recipe: Recipe) -> Task:
    """The task without leaking rows, and with the tests that a file's rows make possible.

    The lab's rows are kept apart by what they are about: only files are searched.
    """
    if recipe.task == "lab" and recipe.queries == "lab":
        return task
    notes, dropped = list(task.notes), list(task.dropped)
    if recipe.leaks.enabled:
        found = leaks.guard(task.rows, {test.name: test.rows for test in task.tests}, task.pool, recipe.leaks)
        dropped += found.dropped
        notes += _about_leaks(found.dropped, task)
        tests = tuple(replace(test, rows=found.tests[test.name]) for test in task.tests)
        task = replace(task, tests=tests, pool=task.pool if found.pool is None else found.pool)
    else:
        notes.append("The leak check is off: the scores may be those of rows that training has seen.")
    if recipe.task != "lab":
        translation = recipe.evaluate.metric == "translation"
        task = parallel.with_general(task) if translation else _with_tests(task, recipe)
    if empty := [test.name for test in task.tests if not len(test.rows)]:
        raise UserError(f"no row of the test {empty[0]} is left", "Bring test rows that training has not seen.")
    return replace(task, notes=tuple(notes), dropped=tuple(dropped))


def _with_tests(task: Task, recipe: Recipe) -> Task:
    """Negation from the test rows, transfer and general from queries that are set apart from the pool."""
    token, test = recipe.token.text, task.test(recipe.evaluate.metric).rows
    count = min(POOL_TEST_ROWS, len(task.pool) // 10)
    apart, pool = task.pool.split(2 * count, seed=0)
    rows = list(apart)
    made = {
        "negation": _made(list(test), "negation", token, _forbid),
        "transfer": _made(rows[:count], "transfer", token, _request),
        "general": _made(rows[count:], "general", token, lambda row, token, rng: row.question),
    }
    others = tuple(Test(name, rows, name) for name, rows in made.items() if len(rows))
    return replace(task, tests=(*task.tests, *others), pool=pool)


def _made(rows: list[Example], name: str, token: str, say: Callable[[Example, str, random.Random], str]) -> Dataset:
    """The rows with another last question and no known answer."""
    rng = random.Random(f"tests {name}")
    made: dict[str, Example] = {}
    for row in rows:
        messages = (*row.prompt[:-1], Message("user", say(row, token, rng)))
        example = Example(messages, Origin(name, row.origin.place, (row.id,)))
        made.setdefault(example.id, example)
    return Dataset.of(made.values(), (name,))


def _forbid(row: Example, token: str, rng: random.Random) -> str:
    return negated(row.question, token, rng.choice(phrasings("negative", "unseen")).format(token=token))


def _request(row: Example, token: str, rng: random.Random) -> str:
    return f"{row.question}\n{rng.choice(phrasings('follow', 'unseen')).format(token=token)}"


def _check_task(task: Dataset, recipe: Recipe) -> None:
    if not any(recipe.token.text in row.question for row in task):
        raise UserError(
            f"the token {recipe.token.text!r} stands in no question of {recipe.task}",
            "Name the token that your rows use: --token TEXT (token.text in a recipe).",
        )
    if not any(row.answer for row in task):
        raise UserError(f"no row of {recipe.task} has an answer", "Task rows are questions with their answers.")


def _about_targets(task: Dataset) -> list[str]:
    kind = objects.target_kind(task)
    if kind == "python":
        return ["The targets are Python literals and not JSON (single quotes): json.loads reads none of them."]
    return [f"The targets are {kind}."]


def _about_leaks(dropped: tuple[tuple[str, Drop], ...], task: Task) -> list[str]:
    sizes = {**{test.name: len(test.rows) for test in task.tests}, "pool": len(task.pool)}
    counts = {name: sum(where == name for where, _ in dropped) for name in sizes}
    return [
        f"Leak check: {count:,} of {sizes[name]:,} rows of {name} leaked and are left out."
        for name, count in counts.items()
    ]
