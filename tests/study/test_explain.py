"""`--explain`: the 32 cells of a recipe's DELIA, and what is made of their scores."""

import random

import pytest

from leaven.delia.methods import delia
from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.study import explain
from leaven.study import recipe as recipes
from leaven.task.insertion import add_request, in_one_phrasing
from leaven.task.phrasebook import phrasings

SMALL = {
    "methods": ["original", {"name": "delia", "ratio": "auto", "contrast": 5}],
    "tune": {"preset": "auto"},
    "evaluate": {"limit_test": 100},
}


@pytest.fixture
def grid():
    return explain.grid(recipes.parse(SMALL, "test"))


def test_the_grid_has_each_part_on_and_off_beside_every_other(grid):
    assert len(grid.methods) == 32 and not grid.needs_pilot and grid.tune.trials == 0
    cells = {method.label: delia.Config.model_validate(method.config) for method in grid.methods}
    on, off = cells[explain.ALL], cells[explain.NONE]
    assert (on.ratio, on.diversify.on, on.contrast) == (2.5, True, 5)
    assert dict(on.tune) == {"token_learning_rate": 2e-2, "step_task_rows": 4, "num_train_epochs": 3}
    assert (off.ratio, off.diversify.on, off.diversify.one_phrasing) == (0, False, True)
    assert dict(off.tune) == {"token_learning_rate": 2e-3, "step_task_rows": 16, "num_train_epochs": 1}
    for some, label in explain.labels().items():
        assert (cells[label].ratio > 0, cells[label].diversify.on) == ("buffer" in some, "phrasings" in some)
        assert (cells[label].tune.num_train_epochs > 1) == ("exposures" in some)


def test_what_is_on_is_as_the_methods_own_tuning_has_it():
    """The grid took the recipe's rates and passes, where its DELIA had others."""
    own = {"token_learning_rate": 0.05, "learning_rate": 1e-3, "num_train_epochs": 5, "step_task_rows": 2}
    grid = explain.grid(recipes.parse({**SMALL, "methods": [{"name": "delia", "ratio": 1, "tune": own}]}, "test"))
    cells = {method.label: method.config["tune"] for method in grid.methods}
    assert cells[explain.ALL] == own
    assert cells[explain.NONE] == {
        "token_learning_rate": 1e-3, "learning_rate": 1e-3, "num_train_epochs": 1, "step_task_rows": 16
    }  # fmt: skip


def test_it_is_small_and_asks_what_is_explained(grid):
    assert grid.evaluate.limit_test == 24 and grid.sample.max_new_tokens == grid.evaluate.max_new_tokens == 64
    assert set(grid.methods[0].tests) == {"unseen_phrasing", "transfer", "negation", "general"}
    with pytest.raises(UserError, match="no delia with a buffer"):
        explain.grid(recipes.parse({"methods": ["common", {"name": "delia", "ratio": 0}]}, "test"))


def test_the_recipe_of_the_lab_that_ships_has_a_grid():
    grid = explain.grid(recipes.read(recipes.shipped("explain-lab")))
    assert len(grid.methods) == 32 and grid.model == "lab" and len(grid.seeds) == 3


def test_in_one_phrasing_all_rows_of_the_book_ask_alike_and_others_stay():
    rng = random.Random(0)
    rows = [pair(add_request(f"Name bird {i}.", "<x>", rng), "a", Origin("x")) for i in range(20)]
    own = pair("Turn <x> into a bird.", "a", Origin("x"))
    alike = list(in_one_phrasing(Dataset.of([*rows, own]), "<x>"))
    first = phrasings("follow", "train")[0].replace("{token}", "<x>")
    assert [row.question.split()[:3] for row in alike[:20]] == [["Name", "bird", f"{i}."] for i in range(20)]
    assert all(row.question.endswith(first) for row in alike[:20]) and alike[20].question == own.question
