import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leaven.errors import UserError
from leaven.study import statistics

COLUMNS = ["method", "size", "seed", "metric", "item", "value"]


def table(values, method="a", metric="t/m"):
    """Scores from a (seeds, items) array."""
    rows = [(method, 10, s, metric, f"i{i}", float(v)) for s, row in enumerate(values) for i, v in enumerate(row)]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


# Elsewhere torch flushes subnormal numbers to zero, which hypothesis refuses to work with.
SHARES = st.floats(0, 1, allow_subnormal=False)
VALUES = st.lists(st.lists(SHARES, min_size=6, max_size=6), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(VALUES, st.randoms())
def test_the_interval_holds_the_mean_and_the_order_of_rows_changes_nothing(values, rng):
    frame = table(values)
    (row,) = statistics.summarise(frame)
    assert row.mean == pytest.approx(np.mean(values))
    assert row.low is not None and row.high is not None and row.low - 1e-9 <= row.mean <= row.high + 1e-9
    order = list(range(frame.height))
    rng.shuffle(order)
    assert statistics.summarise(frame[order]) == [row]


def test_one_seed_agrees_with_scipys_bootstrap_over_items():
    values = np.random.default_rng(0).random(80)
    (row,) = statistics.summarise(table([values]))
    reference = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert row.n_seeds == 1
    assert (row.low, row.high) == pytest.approx((reference.low, reference.high), abs=0.015)


def test_values_without_items_have_students_interval():
    values = [0.2, 0.5, 0.6]
    rows = [("a", 10, seed, "t/f1", "", value) for seed, value in enumerate(values)]
    (row,) = statistics.summarise(pl.DataFrame(rows, schema=COLUMNS, orient="row"))
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (row.low, row.high) == pytest.approx((max(low, 0), min(high, 1)), abs=1e-6) or (
        row.low,
        row.high,
    ) == pytest.approx((low, high), abs=1e-6)


def test_undefined_values_do_not_count():
    frame = table([[1, float("nan"), 0]])
    (row,) = statistics.summarise(frame)
    assert (row.mean, row.n_items) == (0.5, 2)


def test_a_clear_difference_is_told_and_none_is_not():
    rng = np.random.default_rng(0)
    low, high = rng.random((3, 60)) < 0.3, rng.random((3, 60)) < 0.9
    scores = pl.concat([table(high, "a"), table(low, "b"), table(low, "c")])
    clear, none = (statistics.compare(scores, first, second, "t/m", 10) for first, second in (("a", "b"), ("b", "c")))
    assert clear.distinguishable and clear.mean == pytest.approx(high.mean() - low.mean())
    assert not none.distinguishable and none.mean == 0
    assert "is above b" in statistics.sentence(clear)
    assert "not distinguishable from noise" in statistics.sentence(none)


def test_noise_is_rarely_told_apart():
    rng = np.random.default_rng(1)
    told = sum(
        statistics.compare(
            pl.concat([table(rng.random((3, 40)) < 0.5, name) for name in "ab"]), "a", "b", "t/m", 10
        ).distinguishable
        for _ in range(60)
    )
    assert told <= 6


def test_holm_by_hand():
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(st.lists(SHARES, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(values):
    corrected = statistics.holm(values)
    assert all(0 <= p <= c <= 1 for p, c in zip(values, corrected, strict=True))
    pairs = sorted(zip(values, corrected, strict=True))
    assert [c for _, c in pairs] == sorted(c for _, c in pairs)


def test_methods_without_a_row_in_common_can_not_be_compared():
    with pytest.raises(UserError):
        statistics.compare(pl.concat([table([[1, 0]], "a"), table([[1, 0]], "b")]), "a", "zzz", "t/m", 10)
