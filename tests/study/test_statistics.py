import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leaven.errors import UserError
from leaven.study import recipe as recipes
from leaven.study import statistics
from leaven.study.summary import _comparisons as comparisons

COLUMNS = ["method", "size", "seed", "metric", "item", "value"]


def table(values, method="a", metric="t/m"):
    """Scores from a (seeds, items) array."""
    rows = [(method, 10, s, metric, f"i{i}", float(v)) for s, row in enumerate(values) for i, v in enumerate(row)]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


# Elsewhere torch flushes subnormal numbers to zero, which hypothesis refuses to work with.
SHARES = st.floats(0, 1, allow_subnormal=False)
VALUES = st.lists(st.lists(SHARES, min_size=6, max_size=6), min_size=1, max_size=4)


@settings(max_examples=25)
@given(VALUES, st.randoms())
def test_the_interval_holds_the_mean_and_the_order_of_rows_changes_nothing(values, rng):
    frame = table(values)
    (row,) = statistics.estimates(frame)
    assert row.mean == pytest.approx(np.mean(values))
    assert row.low is not None and row.high is not None and row.low - 1e-9 <= row.mean <= row.high + 1e-9
    order = list(range(frame.height))
    rng.shuffle(order)
    assert statistics.estimates(frame[order]) == [row]


def test_one_seed_agrees_with_scipys_bootstrap_over_items():
    values = np.random.default_rng(0).random(80)
    (row,) = statistics.estimates(table([values]))
    reference = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert row.n_seeds == 1
    assert (row.low, row.high) == pytest.approx((reference.low, reference.high), abs=0.015)


def test_values_without_items_have_students_interval():
    values = [0.2, 0.5, 0.6]
    rows = [("a", 10, seed, "t/f1", "", value) for seed, value in enumerate(values)]
    (row,) = statistics.estimates(pl.DataFrame(rows, schema=COLUMNS, orient="row"))
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert low < 0 and (row.low, row.high) == pytest.approx((0, high))  # a share is never below 0


def test_undefined_values_do_not_count():
    frame = table([[1, float("nan"), 0]])
    (row,) = statistics.estimates(frame)
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


@pytest.mark.parametrize("seeds", [3, 8])
def test_noise_is_rarely_told_apart(seeds):
    rng = np.random.default_rng(1)
    told = sum(
        statistics.compare(
            pl.concat([table(rng.random((seeds, 40)) < 0.5, name) for name in "ab"]), "a", "b", "t/m", 10
        ).distinguishable
        for _ in range(60)
    )
    assert told <= 6


def test_methods_without_a_row_in_common_can_not_be_compared():
    with pytest.raises(UserError):
        statistics.compare(pl.concat([table([[1, 0]], "a"), table([[1, 0]], "b")]), "a", "zzz", "t/m", 10)


def test_methods_that_were_never_measured_together_are_no_pair_of_a_summary():
    """A judge that could read no answer of one method left it without a value, and the study without its end."""
    recipe = recipes.parse({"methods": ["original", "common", "delia"]}, "x")
    nan = float("nan")
    scores = pl.concat([table([[1.0, 0.0]], "delia"), table([[nan, nan]], "common"), table([[0.0, 0.0]], "original")])
    assert [row.method_b for row in comparisons(recipe, scores, ["t/m"])] == ["original"]


def by_seed(values, metric, method="a"):
    rows = [(method, 10, seed, metric, "", float(value)) for seed, value in enumerate(values)]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


@settings(max_examples=40)
@given(st.lists(st.floats(0, 60, allow_subnormal=False), min_size=2, max_size=5))
def test_no_interval_leaves_the_bounds_of_its_measure(values):
    """Student's interval of three distances went below zero, that of a share above one."""
    for metric, unit, (least, most) in [
        ("t/macro_f1", 60, (0, 1)), ("layers/rank/last", 0, (1, np.inf)), ("layers/l2/last", 1, (0, np.inf)),
        ("layers/cosine/last", 60, (-1, 1)),
    ]:  # fmt: skip
        measured = [value / unit if unit else 1 + round(value) for value in values]
        (row,) = statistics.estimates(by_seed(measured, metric))
        assert least <= row.low <= row.mean + 1e-9 and row.mean - 1e-9 <= row.high <= most


def test_the_interval_of_a_distance_is_made_on_the_scale_of_its_logarithm():
    values = [1.0, 2.0, 6.0]
    (row,) = statistics.estimates(by_seed(values, "layers/l2/last"))
    low, high = stats.t.interval(0.95, 2, 0, stats.sem(values) / 3)
    assert (row.low, row.high) == pytest.approx((3 * np.exp(low), 3 * np.exp(high)))


def test_with_enough_seeds_they_decide_and_not_their_items():
    """Seven seeds that say one thing and one that says the other are no proof, however many items they have."""
    rng = np.random.default_rng(0)
    b = table(rng.random((8, 400)) < 0.5, "b")
    clear, mixed = (
        statistics.compare(pl.concat([table(rng.random((8, 400)) < share, "a"), b]), "a", "b", "t/m", 10)
        for share in (0.8, np.array([[0.7]] * 7 + [[0.1]]))
    )
    assert clear.p_value() == 2 / 2**8 and clear.distinguishable
    assert mixed.p_value() > 0.05 and not mixed.distinguishable
    assert "p 0.0078 over 8 seeds" in statistics.sentence(clear)


def test_what_few_seeds_can_not_show_is_said():
    assert "can't give a p below 0.25" in statistics.few_seeds(3)
    assert "One seed" in statistics.few_seeds(1) and statistics.few_seeds(6) == ""


def test_a_few_seeds_that_agree_prove_nothing_and_many_do():
    """A spread of zero is no special case: three seeds that agree have a p of 2 in 2³, and twelve of 2 in 2¹²."""
    few, many = (
        statistics.compare(
            pl.concat([by_seed([1] * n, "robustness/worst", "a"), by_seed([0.4] * n, "robustness/worst", "b")]),
            "a", "b", "robustness/worst", 10,
        )
        for n in (3, 12)
    )  # fmt: skip
    assert few.p_value() == 0.25 and not few.distinguishable and few.low < 0 < few.high
    assert many.p_value() == 2 / 2**12 and many.p_value("greater") == 1 / 2**12 and many.distinguishable


def test_distances_are_compared_by_their_logarithms():
    """Seeds at 9 and 50 against 3 and 20: on the raw scale the second drowns the first."""
    a, b = [9.0, 50.0, 12.0] * 2, [3.0, 20.0, 4.0] * 2
    metric = "layers/l2/middle"
    found = statistics.compare(pl.concat([by_seed(a, metric, "a"), by_seed(b, metric, "b")]), "a", "b", metric, 10)
    logs = np.log(a) - np.log(b)
    assert found.is_ratio and found.per_seed == pytest.approx(logs) and found.shown.mean == pytest.approx(
        stats.gmean(a) / stats.gmean(b)
    )  # fmt: skip
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 5, logs.mean(), stats.sem(logs)))
    assert "a is 2.8 times b (95 % interval 2.6 times to 3.1 times" in statistics.sentence(found)


def test_where_seeds_do_all_or_nothing_their_share_is_compared():
    a, b = [[1.0] * 8] * 7 + [[0.0] * 8], [[1.0] * 8] * 2 + [[0.1] * 8] * 6
    found = statistics.compare(pl.concat([table(a, "a"), table(b, "b")]), "a", "b", "t/m", 10, success=0.9)
    assert found.per_seed == (0, 0, 1, 1, 1, 1, 1, 0) and found.mean == 5 / 8
    assert found.p_value("greater") == stats.binomtest(5, 5, alternative="greater").pvalue  # McNemar's, exact
    assert found.n_items == 8 and -1 <= found.low < 5 / 8 < found.high <= 1
