"""Shapley shares: the same as a walk over all orders, and the laws that they are the only ones to keep."""

from itertools import permutations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven.errors import UserError
from leaven.study import shapley
from leaven.study.shapley import shares, subsets, worth

PARTS = "abcd"
# No st.floats: a model in this process has denormals flushed to zero, which hypothesis refuses.
VALUES = st.lists(st.integers(-50, 50), min_size=16, max_size=16)


def grid_of(values):
    return dict(zip(subsets(PARTS), map(float, values), strict=True))


def by_all_orders(grid):
    """What each part adds when it is switched on, over every order in which they can be."""
    parts = sorted(frozenset().union(*grid))
    added = dict.fromkeys(parts, 0.0)
    orders = list(permutations(parts))
    for order in orders:
        on = frozenset()
        for part in order:
            added[part] += (grid[on | {part}] - grid[on]) / len(orders)
            on |= {part}
    return added


@settings(max_examples=40)
@given(VALUES)
def test_shares_are_what_parts_add_over_all_orders_and_add_up(values):
    grid = grid_of(values)
    assert shares(grid) == pytest.approx(by_all_orders(grid), abs=1e-9)
    assert sum(shares(grid).values()) == pytest.approx(grid[frozenset(PARTS)] - grid[frozenset()], abs=1e-9)


@settings(max_examples=40)
@given(VALUES)
def test_parts_that_do_the_same_have_the_same_and_one_that_does_nothing_has_none(values):
    grid = grid_of(values)
    swap = {"a": "b", "b": "a"}
    alike = {some: grid[some] + grid[frozenset(swap.get(part, part) for part in some)] for some in grid}
    assert shares(alike)["a"] == pytest.approx(shares(alike)["b"], abs=1e-9)
    idle = {some: grid[some - {"d"}] for some in grid}
    assert shares(idle)["d"] == pytest.approx(0, abs=1e-9)


def test_a_grid_worked_by_hand():
    grid = {frozenset(): 0.0, frozenset("a"): 0.5, frozenset("b"): 0.1, frozenset("ab"): 1.0}
    assert shares(grid) == pytest.approx({"a": 0.7, "b": 0.3})
    del grid[frozenset("b")]
    with pytest.raises(UserError, match="the grid of 2 parts has 3 cells of 4"):
        shares(grid)


def scores_of(grids, items=8):
    """A study whose methods are the cells of a grid: all items of a seed have the value of its cell, give or take."""
    rows = [
        ("+".join(sorted(some)) or "none", 10, seed, "test/right", str(item), value + (item % 2) * 0.5)
        for seed, grid in enumerate(grids)
        for some, value in grid.items()
        for item in range(items)
    ]
    return pl.DataFrame(rows, ["method", "size", "seed", "metric", "item", "value"], orient="row")


def test_the_worth_of_parts_is_the_mean_of_the_seeds_shares_with_an_interval():
    grids = [grid_of(range(shift, shift + 16)) for shift in (0, 3)]
    grids[1][frozenset("a")] += 24
    labels = {some: "+".join(sorted(some)) or "none" for some in subsets(PARTS)}
    rows = worth(scores_of(grids), labels, "test/right")
    each = [shares(grid) for grid in grids]
    assert {row.part: row.mean for row in rows} == pytest.approx(
        {part: (each[0][part] + each[1][part]) / 2 for part in PARTS}
    )
    assert [row.mean for row in rows] == sorted((row.mean for row in rows), reverse=True)
    assert all(row.n_seeds == 2 and row.low <= row.mean <= row.high for row in rows)
    a = next(row for row in rows if row.part == "a")
    assert a.high - a.low > 10  # the seeds differ in this part


def test_items_that_a_cell_lacks_are_left_out_and_a_missing_cell_is_refused():
    grid = grid_of(range(16))
    labels = {some: "+".join(sorted(some)) or "none" for some in subsets(PARTS)}
    scores = scores_of([grid])
    odd = (pl.col("method") == "a") & (pl.col("item") == "0")
    holed = scores.with_columns(value=pl.when(odd).then(1e6).otherwise("value")).filter(
        ~((pl.col("method") == "b") & (pl.col("item") == "0"))
    )
    assert {row.part: row.mean for row in worth(holed, labels, "test/right")} == pytest.approx(shares(grid))
    with pytest.raises(UserError):
        worth(scores, {some: label for some, label in labels.items() if some}, "test/right")


def test_the_weights_of_a_part_add_up_to_nothing():
    for part in PARTS:
        assert sum(shapley.weights(part, PARTS).values()) == pytest.approx(0)
