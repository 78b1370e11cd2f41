"""The crossed bootstrap: against a slow one that draws rows, and against what really happens when all is drawn anew."""

import numpy as np
import polars as pl
import pytest

from leaven.study import intervals
from leaven.study.intervals import SHARE, Values, interval


def cells(matrix, phrasings=None):
    """(seeds, items) as a table; phrasings by item."""
    rows = [
        (seed, f"i{item:03}", float(value), phrasings[item] if phrasings else None)
        for seed, row in enumerate(matrix)
        for item, value in enumerate(row)
        if not np.isnan(value)
    ]
    return pl.DataFrame(rows, schema={"seed": pl.Int64, "item": pl.String, "value": pl.Float64, "phrasing": pl.String},
                        orient="row")  # fmt: skip


def test_the_items_of_a_phrasing_are_drawn_together_as_a_slow_bootstrap_draws_them():
    rng = np.random.default_rng(0)
    phrasings = [f"p{number % 8}" for number in range(41)]  # groups of five and six
    likes = dict(zip(sorted(set(phrasings)), rng.random(8), strict=True))
    row = np.array([rng.random() < likes[name] for name in phrasings], dtype=float)
    low, high = interval(Values.of(cells([row], phrasings)), SHARE)
    by_phrasing = [[value for value, name in zip(row, phrasings, strict=True) if name == one] for one in likes]
    slow = [np.mean([value for place in rng.integers(0, 8, 7) for value in by_phrasing[place]]) for _ in range(4_000)]
    assert (low, high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.02)
    alone = interval(Values.of(cells([row])), SHARE)
    assert high - low > 1.3 * (alone[1] - alone[0])


def test_few_phrasings_and_items_without_one_are_drawn_each_by_itself():
    matrix = np.random.default_rng(1).random((2, 20))
    few = Values.of(cells(matrix, [f"p{number % 5}" for number in range(20)]))
    some = Values.of(cells(matrix, [f"p{number}" if number < 8 else None for number in range(20)]))
    assert few.n_groups == some.n_groups == 20
    assert interval(few, SHARE) == interval(Values.of(cells(matrix)), SHARE)


def test_a_seed_that_lacks_items_counts_as_much_as_another():
    matrix = np.array([[1.0, 1, 0, 0, 1, 1, 0, 1], [0, 0, np.nan, np.nan, np.nan, 0, 0, 0]])
    values = Values.of(cells(matrix))
    assert values.mean == (5 / 8 + 0) / 2
    low, high = interval(values, SHARE)
    assert 0 <= low < values.mean < high <= 1


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Seeds, phrasings and items all drawn anew: 95 of 100 intervals hold the mean that they are drawn around.

    Resampling items alone covers it in about half of the cases.
    """
    rng = np.random.default_rng(2)
    phrasings = [f"p{number % 12:02}" for number in range(60)]
    held, narrow, runs = 0, 0, 150
    for _ in range(runs):
        truth = 0.1 * rng.normal(size=(8, 1)) + 0.3 * np.tile(rng.normal(size=12), 5) + 0.3 * rng.normal(size=60)
        matrix = truth + 0.3 * rng.normal(size=(8, 60))
        low, high = interval(Values.of(cells(matrix, phrasings)), intervals.ANY)
        held += low <= 0 <= high
        low, high = interval(Values.of(cells(matrix[:1])), intervals.ANY)
        narrow += low <= 0 <= high
    slack = 3 * (0.95 * 0.05 / runs) ** 0.5
    assert held / runs >= 0.95 - slack and narrow / runs < 0.75
