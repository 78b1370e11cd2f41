"""Greedy selectors against the plain greedy, written out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from leaven.errors import UserError
from leaven.lift.neighbours import density
from leaven.lift.selectors import deita, facility_location, k_center, novelselect
from leaven.rows.dataset import Dataset


def test_k_center_takes_the_farthest_row_each_time(unit):
    rows = unit(80)
    kept, distances = k_center.centers(rows, 12, [5])
    expected = [5]
    while len(expected) < 12:
        far = [min(np.linalg.norm(row - rows[center]) for center in expected) for row in rows]
        expected.append(int(np.argmax(far)))
    assert kept == expected
    true = [min(np.linalg.norm(row - rows[center]) for center in expected) for row in rows]
    np.testing.assert_allclose(distances, true, atol=2e-3)


def test_k_center_takes_no_row_twice_though_all_are_alike(unit):
    rows = np.repeat(unit(1), 6, axis=0)
    assert sorted(k_center.centers(rows, 6, [2])[0]) == list(range(6))


@pytest.mark.parametrize("seed", range(3))
def test_facility_location_is_the_plain_greedy(unit, seed):
    rows = unit(70, seed=seed)
    similar = np.maximum(rows @ rows.T, 0).astype(np.float64)
    expected, served = [], np.zeros(70)
    for _ in range(15):
        gains = [np.maximum(similar[:, row] - served, 0).sum() if row not in expected else -1 for row in range(70)]
        expected.append(int(np.argmax(gains)))
        served = np.maximum(served, similar[:, expected[-1]])
    for pairs in (facility_location._All(rows), facility_location._Near.of(rows, 69)):
        kept, mine = facility_location.chosen(pairs, 15)
        assert kept == expected
        np.testing.assert_allclose(mine, served, atol=1e-5)


def test_facility_location_among_neighbours_is_the_greedy_on_their_cosines_alone(unit):
    rows = unit(60)
    similar = np.maximum(rows @ rows.T, 0).astype(np.float64)
    far = np.argsort(-similar, axis=1)[:, 6:]
    np.put_along_axis(similar, far, 0, axis=1)
    expected, served = [], np.zeros(60)
    for _ in range(10):
        gains = [np.maximum(similar[:, row] - served, 0).sum() if row not in expected else -1 for row in range(60)]
        expected.append(int(np.argmax(gains)))
        served = np.maximum(served, similar[:, expected[-1]])
    assert facility_location.chosen(facility_location._Near.of(rows, 5), 10)[0] == expected


def test_novelselect_is_the_plain_greedy(unit):
    rows = unit(60)
    dense = density(rows)
    expected = [7]
    while len(expected) < 14:
        best = (-1.0, -1)
        for row in set(range(60)) - set(expected):
            away = sorted((1 - rows[row] @ rows[other]) * (dense[row] + dense[other]) for other in expected)
            best = max(best, (sum(value / rank for rank, value in enumerate(away, 1)) / len(away), row))
        expected.append(best[1])
    kept, _ = novelselect.chosen(rows, dense, 14, [7], novelselect.Config())
    assert kept == expected
    near, _ = novelselect.chosen(rows, dense, 14, [7], novelselect.Config(neighbours=3))
    assert len(set(near)) == 14


def test_density_is_of_distinct_rows_without_the_row_itself(unit):
    rows = unit(30)
    twice = np.concatenate([rows, rows[:4]])
    true = [
        np.mean(sorted(((row - other) ** 2).sum() for other in rows if not np.array_equal(row, other))[:10]) ** -0.5
        for row in twice
    ]
    np.testing.assert_allclose(density(twice), true, rtol=1e-4)


def test_copies_that_differ_by_rounding_crowd_no_row(unit):
    rows = unit(30)
    noise = np.random.default_rng(0).normal(scale=1e-4, size=(14, rows.shape[1])).astype(np.float32)
    copies = np.repeat(rows[:1], 14, axis=0) + noise
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    many = np.concatenate([rows, copies])
    np.testing.assert_allclose(density(many)[:30], density(rows), rtol=1e-3)
    np.testing.assert_allclose(density(many)[30:], density(rows)[0], rtol=1e-2)


def test_deita_takes_the_best_that_is_unlike(rows, context, select):
    data = rows(*((f"q{i}", "x" * length) for i, length in enumerate([5, 9, 7, 3])))
    vectors = [[1, 0], [1, 0.01], [0, 1], [-1, 0]]
    found = select(deita, data, deita.Config(n=3), context(vectors))
    assert found.positions == (1, 2, 3)
    assert [(drop.reason, drop.score) for drop in found.dropped] == [("near a better row", 5)]
    assert select(deita, data, deita.Config(n=2, score="number"), context(vectors)).positions == (2, 3)
    with pytest.raises(UserError, match="f:1: the field 'nmuber'"):
        select(deita, data, deita.Config(score="nmuber"), context(vectors))


def test_deita_refuses_a_score_that_is_no_number(rows, context, select):
    scored = [
        replace(row, meta={"score": value})
        for row, value in zip(rows(*[("q", "a")] * 3), (1, math.nan, 2), strict=True)
    ]
    with pytest.raises(UserError, match="f:2: the field 'score' is nan, not a number"):
        select(deita, Dataset.of(scored), deita.Config(n=3, score="score"), context(np.eye(3)))


def test_deita_finds_copies_at_a_threshold_of_one_although_cosines_are_rounded(numbered, context, select, unit):
    twice = np.repeat(unit(200, width=64), 2, axis=0)
    found = select(deita, numbered(400), deita.Config(n=400, threshold=1.0), context(twice))
    assert len(found.kept) == 200
