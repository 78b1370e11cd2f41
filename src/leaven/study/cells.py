"""A study's cells: methods × sizes × seeds, each a folder of its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from leaven.errors import RecipeError
from leaven.runs import folder as runs
from leaven.study.recipe import MethodChoice, Recipe


@dataclass(frozen=True, slots=True)
class Cell:
    """One method, tuned on `size` task rows with one seed."""

    method: MethodChoice
    size: int
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.method.label}-n{self.size}-s{self.seed}"


def open_cells(plan: Iterable[Cell], folder: Path) -> list[Cell]:
    """Those that a study in the folder has still to compute."""
    return [cell for cell in plan if not runs.closed(folder / "cells" / cell.name)]


def cells(recipe: Recipe, task_rows: int) -> tuple[Cell, ...]:
    """All cells, seed by seed, so that a study that is cut short has whole comparisons.

    Size 0 stands for all rows. Raises RecipeError for sizes that the task can't fill.
    """
    sizes = recipe.sizes_of(task_rows)
    if faults := [
        f"sizes: {size:,} rows are asked for, the task has {task_rows:,}" for size in sizes if size > task_rows
    ]:
        raise RecipeError("the recipe", faults, "Ask for fewer rows, or 0 for all.")
    return tuple(
        Cell(method, size, seed)
        for number, seed in enumerate(recipe.seeds)
        for size in sizes
        for method in recipe.methods
        if not method.sizes or size in (own or task_rows for own in method.sizes)
        if not method.first_seeds or number < method.first_seeds
    )
