"""The rows that a recipe names: read, said, guarded against leaks, and turned into the tests of a study."""

import random
from collections.abc import Callable
from dataclasses import replace

from leaven.errors import UserError
from leaven.rows import files, leaks
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin, Outcome
from leaven.study import parallel
from leaven.study.recipe import Recipe
from leaven.task import objects
from leaven.task.material import Material
from leaven.task.phrasebook import phrasings
from leaven.task.wording import negated

POOL_TEST_ROWS = 100
"""Queries of the pool that are set apart to ask for transfer, and as many for what was known before."""


def read(recipe: Recipe, pool: Dataset | None) -> Material:
    """The task, its tests and the pool, from files; `pool` stands in for `queries: lab`."""
    if recipe.test is None:
        raise UserError("there are no test rows", "Name a file of them: --test FILE, or `test:` in the recipe.")
    task, test = files.read(recipe.task, recipe.format), files.read(recipe.test, recipe.format)
    queries = files.read(recipe.queries, recipe.format) if pool is None else Outcome(pool)
    notes = (*task.notes, *test.notes, *queries.notes)
    if recipe.evaluate.metric != "translation":
        _check_task(task.kept, recipe)
        notes += (*_about_targets(task.kept),)
    outcomes = (("train", task), ("test", test), ("pool", queries))
    dropped = tuple((where, drop) for where, outcome in outcomes for drop in outcome.dropped)
    return Material(task.kept, {recipe.evaluate.metric: test.kept}, queries.kept, notes, dropped)


def with_pool(rows: Material, recipe: Recipe) -> Material:
    """The same task and tests with the pool of a file."""
    outcome = files.read(recipe.queries, recipe.format)
    dropped = tuple(("pool", drop) for drop in outcome.dropped)
    return replace(rows, pool=outcome.kept, notes=(*rows.notes, *outcome.notes), dropped=(*rows.dropped, *dropped))


def guarded(material: Material, recipe: Recipe) -> Material:
    """The material without leaking rows, and with the tests that a file's rows make possible.

    The lab's rows are kept apart by what they are about: only files are searched.
    """
    if recipe.task == "lab" and recipe.queries == "lab":
        return material
    notes, dropped = list(material.notes), list(material.dropped)
    if recipe.leaks.enabled:
        found = leaks.guard(material.task, material.tests, material.pool, recipe.leaks)
        dropped += found.dropped
        notes += _about_leaks(found.dropped, material)
        material = replace(material, tests=found.tests, pool=material.pool if found.pool is None else found.pool)
    else:
        notes.append("The leak check is off: the scores may be those of rows that training has seen.")
    if recipe.task != "lab":
        translation = recipe.evaluate.metric == "translation"
        material = parallel.with_general(material) if translation else _with_tests(material, recipe)
    if empty := [name for name, test in material.tests.items() if not len(test)]:
        raise UserError(f"no row of the test {empty[0]} is left", "Bring test rows that training has not seen.")
    return replace(material, notes=tuple(notes), dropped=tuple(dropped))


def _with_tests(material: Material, recipe: Recipe) -> Material:
    """Negation from the test rows, transfer and general from queries that are set apart from the pool."""
    token, test = recipe.token.text, material.tests[recipe.evaluate.metric]
    count = min(POOL_TEST_ROWS, len(material.pool) // 10)
    apart, pool = material.pool.split(2 * count, seed=0)
    rows = list(apart)
    tests = {
        recipe.evaluate.metric: test,
        "negation": _made(list(test), "negation", token, _forbid),
        "transfer": _made(rows[:count], "transfer", token, _request),
        "general": _made(rows[count:], "general", token, lambda row, token, rng: row.question),
    }
    return replace(material, tests={name: rows for name, rows in tests.items() if len(rows)}, pool=pool)


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


def _about_leaks(dropped: tuple[tuple[str, Drop], ...], material: Material) -> list[str]:
    sizes = {**{name: len(test) for name, test in material.tests.items()}, "pool": len(material.pool)}
    counts = {name: sum(where == name for where, _ in dropped) for name in sizes}
    return [
        f"Leak check: {count:,} of {sizes[name]:,} rows of {name} leaked and are left out."
        for name, count in counts.items()
    ]
