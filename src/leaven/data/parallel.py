"""The rows of a translation task from files: guarded against leaks, with a test of what was known before (Table 3).

Task and test rows are question-answer pairs such as "Translate to Icelandic: …"; a field `direction` (en-is) of a row
keeps its scores apart from those of other directions.
"""

from collections.abc import Iterator
from dataclasses import replace

from leaven.data import files, leaks
from leaven.data.material import Material
from leaven.dataset import Dataset
from leaven.errors import UserError
from leaven.recipe import Recipe
from leaven.types import Example, Outcome

GENERAL_ROWS = 100


def read(recipe: Recipe, pool: Dataset | None) -> Material:
    """The task, the tests `translation` and `general`, and the pool; `pool` stands in for `queries: lab`."""
    if recipe.test is None:
        raise UserError("there are no test rows", "Name a file of them: `test:` in the recipe.")
    task, test = files.read(recipe.task, recipe.format), files.read(recipe.test, recipe.format)
    queries = files.read(recipe.queries, recipe.format) if pool is None else Outcome(pool)
    outcomes = (("train", task), ("test", test), ("pool", queries))
    dropped = [(where, drop) for where, outcome in outcomes for drop in outcome.dropped]
    found = leaks.guard(task.kept, {"translation": test.kept}, queries.kept, recipe.leaks)
    left = queries.kept if found.pool is None else found.pool
    apart, rest = left.split(min(GENERAL_ROWS, len(left) // 10), seed=0)
    tests = {"translation": found.tests["translation"], "general": Dataset.of(_bare(apart), apart.made_by)}
    if not len(tests["translation"]):
        raise UserError("no row of the test translation is left", "Bring test rows that training has not seen.")
    notes = (*task.notes, *test.notes, *queries.notes)
    kept = {name: rows for name, rows in tests.items() if len(rows)}
    return Material(task.kept, kept, rest, notes, (*dropped, *found.dropped))


def _bare(rows: Dataset) -> Iterator[Example]:
    """Questions alone: the untouched model's own answers will be the references."""
    for row in rows:
        yield replace(row, messages=row.prompt)
