"""LIFT's variety against scikit-learn, by hand, and on the real rows."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from tests.shared import DATA, with_data

from leaven.errors import UserError
from leaven.lift import vectors as table
from leaven.lift.components import components, coordinates
from leaven.lift.selectors import variety


def as_published(rows, keep=0.2, explained=0.95):
    scaled = StandardScaler().fit_transform(rows)
    held = np.cumsum(PCA(svd_solver="full").fit(scaled).explained_variance_ratio_)
    count = int(np.argmax(held >= explained))
    found = np.var(PCA(n_components=count, svd_solver="full").fit_transform(scaled), axis=1)
    return found, np.flatnonzero(found > np.percentile(found, 100 * (1 - keep)))


def ours(rows, **config):
    vectors, config = table.of(rows), variety.Config(**config)
    values = variety.variances(vectors, components(vectors), config)
    return values, variety.above(values, config)


def random(count, width, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, width)) @ rng.standard_normal((width, width)) + 5).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("keep", [0.1, 0.5])
def test_as_published_it_keeps_the_rows_that_scikit_learn_keeps(seed, keep):
    rows = random(700, 24, seed)
    rows[:, 3] = 2.5  # a constant column is not scaled
    expected, kept = as_published(rows.astype(np.float64), keep)
    values, mine = ours(rows, keep=keep)
    np.testing.assert_allclose(values, expected, rtol=2e-4, atol=1e-5)
    assert mine == kept.tolist()


@with_data
def test_on_real_embeddings_it_keeps_exactly_the_rows_that_scikit_learn_keeps():
    place = DATA / "alpaca_minilm" / "embeddings.f16.npy"
    vectors, config = table.open_file(str(place)), variety.Config()
    kept = variety.above(variety.variances(vectors, components(vectors), config), config)
    _, expected = as_published(np.load(place).astype(np.float32))
    assert kept == expected.tolist()
    assert len(kept) == 9601


def test_blocks_make_no_difference(monkeypatch):
    rows = random(500, 16)
    whole, _ = ours(rows)
    monkeypatch.setattr(table, "BLOCK_BYTES", 4 * 16 * 7)
    pieces, _ = ours(rows)
    np.testing.assert_allclose(whole, pieces, rtol=1e-5)


def test_exact_is_the_squared_distance_to_the_centre_in_the_components():
    rows = random(300, 12)
    values, _ = ours(rows, compat="exact", explained=1.0)
    scaled = StandardScaler().fit_transform(rows.astype(np.float64))
    np.testing.assert_allclose(values, (scaled**2).mean(1), rtol=1e-4)


def test_no_sign_changes_exact_and_published_counts_one_component_fewer():
    vectors = table.of(random(300, 12))
    found = components(vectors)
    flipped = type(found)(found.mean, found.scale, found.axes * -1, found.variances)
    half = type(found)(
        found.mean, found.scale, found.axes * np.where(np.arange(12) % 2, -1, 1)[:, None], found.variances
    )
    exact, paper = variety.Config(compat="exact"), variety.Config()
    np.testing.assert_allclose(
        variety.variances(vectors, found, exact), variety.variances(vectors, half, exact), rtol=1e-5
    )
    np.testing.assert_allclose(
        variety.variances(vectors, found, paper), variety.variances(vectors, flipped, paper), rtol=1e-4
    )
    assert not np.allclose(variety.variances(vectors, found, paper), variety.variances(vectors, half, paper))
    assert variety._count(found, exact) == variety._count(found, paper) + 1 == found.enough(0.95)


@pytest.mark.parametrize("compat", ["paper", "exact"])
def test_the_whole_share_is_every_row(numbered, context, select, unit, compat):
    config = variety.Config(keep=1, compat=compat)
    assert len(select(variety, numbered(30), config, context(unit(30))).kept) == 30


def test_copies_of_an_outlier_all_stay(numbered, context, select):
    rows = random(200, 8)
    rows[:20] = 5 + 3 * (rows[0] - 5)
    kept = select(variety, numbered(200), variety.Config(keep=0.2), context(rows)).positions
    assert set(range(20)) <= set(kept)


@pytest.mark.parametrize(("width", "farther"), [(16, 0), (32, 2)])
def test_copies_at_the_border_are_said_and_do_not_empty_the_set(numbered, context, select, width, farther):
    rows = random(100, width)
    rows[10:40] = 5 + 5 * (rows[0] - 5)  # 30 copies of an outlier, and few rows lie farther out
    outcome = select(variety, numbered(100), variety.Config(keep=0.2), context(rows))
    copies = set(range(10, 10 + 20 - farther))
    assert len(outcome.positions) == 20 and copies == set(outcome.positions) & set(range(10, 40))
    assert any(f"{20 - farther} of 20 rows tie" in note and "minhash" in note for note in outcome.notes)
    assert len(select(variety, numbered(100), variety.Config(), context(random(100, width))).notes) == 1


def test_one_component_alone_has_no_variance(numbered, context, select):
    rows = np.outer(np.arange(9), np.ones(4)).astype(np.float32)
    with pytest.raises(UserError, match="--compat exact"):
        select(variety, numbered(9), variety.Config(), context(rows))
    assert select(variety, numbered(9), variety.Config(compat="exact"), context(rows)).positions == (0, 8)


def test_coordinates_are_those_of_scikit_learn():
    rows = random(200, 10)
    expected = PCA(2, svd_solver="full").fit_transform(StandardScaler().fit_transform(rows.astype(np.float64)))
    np.testing.assert_allclose(coordinates(table.of(rows), components(table.of(rows)), 2), expected, atol=1e-4)


def test_rows_that_are_all_the_same_have_no_variety():
    with pytest.raises(UserError, match="all rows are the same"):
        ours(np.ones((5, 3), np.float32))
    with pytest.raises(UserError, match="at least two"):
        ours(np.ones((1, 3), np.float32))
