"""The studies behind a reproduction of the DELIA paper: each is run as far as the tables that are wanted need it."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from leaven.runs.lock import lock
from leaven.runs.progress import stderr
from leaven.study import buffering, identity, reproduction
from leaven.study import recipe as recipes
from leaven.study.recipe import Recipe
from leaven.study.run import run
from leaven.study.sources import resolve

RECIPES = {"format": "reproduce-format", "translation": "reproduce-translation", "gradients": "reproduce-format"}
"""The recipe that ships for each study of `reproduction.yaml`."""


def scores(
    study: str, names: Sequence[str], seeds: Sequence[int], folder: Path, split: str, continue_anyway: bool = False
) -> pl.DataFrame:
    """The scores of a study in `folder/STUDY`, after running what these tables and figures need of it."""
    place = folder / study
    recipe, task = resolve(read(study, seeds, place), place, stderr(), split)
    if study == "gradients":
        with lock(place):
            identity.claim(recipe, task, place, continue_anyway)
            return buffering.run(recipe, task, place, stderr())
    labels = frozenset().union(*(reproduction.methods(name) for name in names))
    run(recipe, task, place, stderr(), labels, continue_anyway)
    return pl.read_parquet(place / "scores.parquet")


def read(study: str, seeds: Sequence[int], folder: Path) -> Recipe:
    """The recipe of a study, with these seeds."""
    return recipes.read(recipes.shipped(RECIPES[study]), {"seeds": list(seeds), "out": str(folder)})
