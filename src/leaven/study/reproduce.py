"""The studies behind a reproduction of the DELIA paper: each is run as far as the tables that are wanted need it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from leaven.errors import UserError
from leaven.runs import folder as runs
from leaven.runs.lock import lock
from leaven.runs.progress import stderr
from leaven.study import buffering, families, forecast, identity, published, reproduction, score_tables
from leaven.study import recipe as recipes
from leaven.study.cells import Cell, cells, open_cells
from leaven.study.families import Family
from leaven.study.recipe import Recipe
from leaven.study.run import SCHEMA, run
from leaven.study.sources import resolve

SCALES = {
    "lab": {
        "format": "reproduce-format",
        "translation": "reproduce-translation",
        "gradients": "reproduce-format",
    },
    "smol": {
        "json": "reproduce-smol-json",
        "list": "reproduce-smol-list",
        "halu": "reproduce-smol-halu",
        "translation": "reproduce-smol-translation",
    },
}
"""The studies of the files `reproduction.yaml` (the lab) and `reproduction-SCALE.yaml`, and their recipes."""
GRADIENTS = 5
"""Minutes that a seed of the study of gradients takes on two cores."""


class Order(NamedTuple):
    """What is asked of a reproduction: its scale, seeds, folder and the lab's rows, or the user's copies of others."""

    scale: str
    seeds: Sequence[int]
    folder: Path
    split: str = "test"
    data: Path | None = None
    continue_anyway: bool = False
    as_is: bool = False
    tables: Path | None = None
    """A folder of score tables to read, and run nothing (`score_tables`)."""
    families: tuple[Family, ...] = ()
    """Only what the claims of these families compare; of none: all that the tables show."""


def scores(study: str, names: Sequence[str], order: Order) -> pl.DataFrame:
    """The scores of a study in FOLDER/STUDY, after running what these tables and figures need of it, or `as_is`.

    Raises UserError where rows are needed that do not ship, and no folder has them.
    """
    place = order.folder / study
    if order.tables:
        return score_tables.read(order.scale, study, order.tables)
    if order.as_is:
        return finished(place)
    recipe, task = resolve(read(study, order), place, stderr(), order.split)
    if study == "gradients":
        stderr().say(f"{study}: about {GRADIENTS} minutes a seed; seeds that are there cost nothing.")
        with lock(place):
            identity.claim(recipe, task, place, order.continue_anyway)
            return buffering.run(recipe, task, place, stderr())
    only = needed(study, names, order, max(recipe.sizes))
    if left := open_cells(filter(only, cells(recipe, len(task.rows))), place):
        hours = forecast.hours(left, recipe, task, place)
        stderr().say(
            f"{study}: {len(left)} cells to run, about {hours:.1f} hours here; those that are there cost nothing."
        )
    pool = None if order.scale == "lab" else order.folder / "pool"
    run(recipe, task, place, stderr(), only, order.continue_anyway, pool)
    return pl.read_parquet(place / "scores.parquet")


def needed(study: str, names: Sequence[str], order: Order, largest: int) -> Callable[[Cell], bool]:
    """Tells which cells of a study the tables need: all of their methods, or what the order's families compare."""
    if order.families:
        sides = families.compared(study, order.families, order.scale, largest)
        return lambda cell: (cell.method.label, cell.size) in sides
    labels = frozenset().union(*(reproduction.methods(name, order.scale) for name in names))
    return lambda cell: cell.method.label in labels


def read(study: str, order: Order) -> Recipe:
    """The recipe of a study with these seeds, and with the user's rows where it is not about the lab."""
    shipped = recipes.shipped(SCALES[order.scale][study])
    recipe = recipes.read(shipped, {"seeds": list(order.seeds), "out": str(order.folder / study)})
    if order.scale == "lab":
        return recipe
    if order.data is None:
        raise UserError(
            f"scale {order.scale} works on published rows, and none of them ship",
            "Name a folder with your copies: --data FOLDER (delia_halu, tell_halu, alpaca_52k, wmt21_enis).",
        )
    place = order.folder / "data"
    published.write([study], order.data, place)
    return recipe.model_copy(update={key: str(place / getattr(recipe, key)) for key in ("task", "test", "queries")})


def finished(place: Path) -> pl.DataFrame:
    """The scores of the cells (of gradients, the seeds) that are finished, also those of a run that was stopped."""
    paths = [path for path in sorted(place.glob("cells/*/scores.parquet")) if runs.closed(path.parent)]
    paths += sorted(place.glob("seed-*/scores.parquet"))
    return pl.concat([pl.DataFrame(schema=SCHEMA), *map(pl.read_parquet, paths)], how="diagonal")


def about(study: str, order: Order) -> score_tables.About:
    """What the summary of a study says of its tests, and what the guard left out; nothing where it has none yet."""
    if order.tables:
        return score_tables.about(order.scale, study, order.tables)
    path = order.folder / study / "summary.json"
    return score_tables.About.of(json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})
