"""The studies behind a reproduction of the DELIA paper: each is run as far as the tables that are wanted need it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from leaven.errors import UserError
from leaven.runs import folder as runs
from leaven.runs.lock import lock
from leaven.runs.progress import stderr
from leaven.study import buffering, identity, published, reproduction
from leaven.study import recipe as recipes
from leaven.study.recipe import Recipe
from leaven.study.run import SCHEMA, run
from leaven.study.sources import resolve


class Study(NamedTuple):
    """The recipe of a study that ships, and the minutes that a seed of all of it takes on two cores."""

    recipe: str
    minutes: int


SCALES = {
    "lab": {
        "format": Study("reproduce-format", 39),
        "translation": Study("reproduce-translation", 6),
        "gradients": Study("reproduce-format", 5),
    },
    "smol": {
        "json": Study("reproduce-smol-json", 16),
        "list": Study("reproduce-smol-list", 5),
        "halu": Study("reproduce-smol-halu", 7),
        "translation": Study("reproduce-smol-translation", 4),
    },
}
"""The studies of the files `reproduction.yaml` (the lab) and `reproduction-SCALE.yaml`."""


class Order(NamedTuple):
    """What is asked of a reproduction: its scale, seeds, folder and the lab's rows, or the user's copies of others."""

    scale: str
    seeds: Sequence[int]
    folder: Path
    split: str = "test"
    data: Path | None = None
    continue_anyway: bool = False
    as_is: bool = False


def scores(study: str, names: Sequence[str], order: Order) -> pl.DataFrame:
    """The scores of a study in FOLDER/STUDY, after running what these tables and figures need of it, or `as_is`.

    Raises UserError where rows are needed that do not ship, and no folder has them.
    """
    place = order.folder / study
    if order.as_is:
        return _finished(place)
    recipe, task = resolve(read(study, order), place, stderr(), order.split)
    if study == "gradients":
        with lock(place):
            identity.claim(recipe, task, place, order.continue_anyway)
            return buffering.run(recipe, task, place, stderr())
    labels = frozenset().union(*(reproduction.methods(name, order.scale) for name in names))
    pool = None if order.scale == "lab" else order.folder / "pool"
    run(recipe, task, place, stderr(), labels, order.continue_anyway, pool)
    return pl.read_parquet(place / "scores.parquet")


def read(study: str, order: Order) -> Recipe:
    """The recipe of a study with these seeds, and with the user's rows where it is not about the lab."""
    shipped = recipes.shipped(SCALES[order.scale][study].recipe)
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


def _finished(place: Path) -> pl.DataFrame:
    """The scores of the cells that are finished, also those of a run that was stopped."""
    cells = [path for path in sorted(place.glob("cells/*/scores.parquet")) if runs.closed(path.parent)]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *map(pl.read_parquet, cells)], how="diagonal")


def untestable(study: str, folder: Path) -> dict[str, str]:
    """The tests and measures of a study that can tell nothing of the model, with the reason (`ceilings.verdicts`)."""
    tests = _summary(study, folder).get("tests", {})
    measures = {
        metric: f"neither the words ({test['wording']!r}) nor any training reach half of it"
        for test in tests.values()
        for metric in test.get("out_of_reach", ())
    }
    return measures | {name: test["reason"] for name, test in tests.items() if not test["testable"]}


def in_words(study: str, folder: Path, metrics: Sequence[str]) -> list[str]:
    """What the untouched model reaches where words stand in the token's place, a sentence for each test of these."""
    tests = _summary(study, folder).get("tests", {})
    sentences = []
    for name in dict.fromkeys(metric.partition("/")[0] for metric in metrics):
        shares = {
            metric: tests[name]["ceiling"][measure]
            for metric in dict.fromkeys(metrics)
            for measure in [metric.removeprefix(f"{name}/")]
            if measure in tests.get(name, {}).get("ceiling", {})
        }
        if shares:
            listing = ", ".join(f"{metric} {share:.0%}" for metric, share in shares.items())
            sentences.append(f"Said in words ({tests[name]['wording']!r}), the untouched model reaches: {listing}.")
    return sentences


def leaks(study: str, folder: Path) -> list[str]:
    """What the guard left out of the tests and the pool of a study, a sentence for each that lost a row."""
    notes = _summary(study, folder).get("notes", [])
    return [note for note in notes if note.startswith("Leak check: ") and not note.startswith("Leak check: 0 ")]


def _summary(study: str, folder: Path) -> dict[str, Any]:
    """The summary of a study, empty where it has none yet."""
    path = folder / study / "summary.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found
