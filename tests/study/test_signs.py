"""Exact tests over seeds: against all signs written out, scipy, values by hand, and the null itself."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leaven.study import families, signs

UNITS = st.lists(st.floats(-5, 5, allow_subnormal=False), min_size=1, max_size=7)


@settings(max_examples=40)
@given(UNITS)
def test_the_p_value_is_the_share_of_all_signs_written_out(units):
    sums = [
        sum(sign * unit for sign, unit in zip(each, units, strict=True)) for each in product((-1, 1), repeat=len(units))
    ]
    slack = 1e-12 * (1 + sum(map(abs, units)))
    greater, less = (np.mean([side * total >= side * sum(units) - slack for total in sums]) for side in (1, -1))
    assert signs.p_value(units, "greater") == pytest.approx(greater)
    assert signs.p_value(units, "less") == pytest.approx(less)
    assert signs.p_value(units) == pytest.approx(min(1, 2 * min(greater, less)))


def test_it_agrees_with_scipys_permutation_test():
    units = np.random.default_rng(0).normal(0.4, 1, 9)
    for alternative in ("greater", "less", "two-sided"):
        theirs = stats.permutation_test(
            (units,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative=alternative, vectorized=True
        ).pvalue
        assert signs.p_value(units, alternative) == pytest.approx(theirs)


def test_no_spread_is_no_special_case_and_no_difference_is_none():
    assert signs.p_value([0.3] * 12, "greater") == 2.0**-12 == signs.least_p(12)
    assert signs.p_value([0.0] * 12, "greater") == signs.p_value([0.0] * 12) == 1


def test_forty_seeds_are_no_trouble():
    units = np.random.default_rng(1).normal(0.3, 1, 36)
    assert signs.p_value(units, "greater") == pytest.approx(
        stats.ttest_1samp(units, 0, alternative="greater").pvalue, abs=0.005
    )


def test_alike_is_shown_by_two_one_sided_tests():
    near, far = [0.01, -0.02, 0.0, 0.01, -0.01, 0.02], [0.3, 0.4, 0.2, 0.3, 0.5, 0.3]
    assert signs.p_alike(near, 0.1) == 1 / 64 and signs.p_unlike(near, 0.1) == 1
    assert signs.p_alike(far, 0.1) == 1 and signs.p_unlike(far, 0.1) == 2 / 64
    assert signs.p_alike([0.0] * 6, 0.1) == 1 / 64  # no spread at all is the surest of likenesses


def test_holm_by_hand():
    assert signs.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert signs.holm([0.01, 0.04], of=3) == pytest.approx([0.03, 0.08])  # a third that has not run yet


@given(st.lists(st.floats(0, 1, allow_subnormal=False), max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(values):
    corrected = signs.holm(values)
    assert all(0 <= p <= c <= 1 for p, c in zip(values, corrected, strict=True))
    pairs = sorted(zip(values, corrected, strict=True))
    assert [c for _, c in pairs] == sorted(c for _, c in pairs)


def test_power_is_what_a_simulation_of_the_t_test_says_and_none_where_seeds_are_too_few():
    pilot = signs.normal_pilot(1.0, 1.0)
    assert (pilot.mean(), pilot.std()) == pytest.approx((1, 1))
    rng = np.random.default_rng(3)
    simulated = np.mean(stats.ttest_1samp(rng.normal(1, 1, (4_000, 8)), 0, axis=1, alternative="greater").pvalue < 0.05)
    assert signs.power(pilot, 8, 0.05) == pytest.approx(simulated, abs=0.07)
    assert signs.power(pilot, 4, 0.05) == 0 and signs.power([1.0] * 5, 5, 0.05) == 1


@pytest.mark.parametrize("n_seeds", [5, 12])
def test_of_families_in_which_nothing_differs_one_in_twenty_has_a_verdict(n_seeds):
    """Six claims, a seed's difference of two methods that are alike (sd .2 each): whichever way, and all verdicts.

    Sign-flips of the items, with the seeds fixed, gave a false verdict to three families of five.
    """
    runs, claims = 800, 6
    rng = np.random.default_rng(n_seeds)
    shares = np.clip(0.5 + rng.normal(0, 0.2, (2, runs, claims, n_seeds)), 0, 1)
    measured = rng.binomial(60, shares) / 60  # sixty items of each seed
    shown = refuted = 0
    for family in measured[0] - measured[1]:
        for_it, against = (signs.holm([signs.p_value(each, side) for each in family]) for side in ("greater", "less"))
        shown += min(for_it) < families.FOR
        refuted += min(for_it) >= families.FOR and min(against) < families.AGAINST
    slack = 3 * (0.05 * 0.95 / runs) ** 0.5
    assert (shown + refuted) / runs <= 0.05 + slack
    assert shown / runs <= families.FOR + slack
