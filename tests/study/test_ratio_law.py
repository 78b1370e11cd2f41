"""The ratio law: its interval covers the truth, its likelihood and its smallest ratio agree with slow obvious ones."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven.study import ratio_law
from leaven.study.ratio_law import Observation, fit

RATIOS = (0, 0.25, 0.5, 1, 2, 5)


def simulated(truth, error, rng, questions=40, rows=20):
    """A pilot in a world where the law holds, and each tuned model is off by a normal error."""
    a, fall, factor, learnt = truth
    for ratio in RATIOS:
        odds = a - fall * math.log1p(factor * ratio) + error * rng.normal(), learnt + error * rng.normal()
        leaks, right = (1 / (1 + math.exp(-one)) for one in odds)
        yield Observation(ratio, int(rng.binomial(questions, leaks)), questions, int(rng.binomial(rows, right)), rows)


@pytest.mark.parametrize("truth", [(4.5, 2.9, 20, 4), pytest.param((5, 4, 5, 5), marks=pytest.mark.slow)])
def test_the_interval_covers_the_smallest_sufficient_ratio(truth):
    a, fall, factor, _ = truth
    smallest = math.expm1((a - math.log(0.02 / 0.98)) / fall) / factor
    rng = np.random.default_rng(0)
    laws = [fit(list(simulated(truth, 0.4, rng))) for _ in range(25)]
    covered = sum(low <= smallest <= high for low, high in (law.interval for law in laws))
    assert covered >= 20  # 22.5 are meant
    assert sum(law.ratio >= smallest for law in laws) >= 15  # 20 are meant; fewer where the prior is off
    assert np.median([law.ratio for law in laws]) < 2 * smallest


def test_where_nothing_leaks_without_a_buffer_the_answer_is_0():
    law = fit([Observation(0, 0, 40, 20, 20)])
    assert law.ratio == 0 and "nothing leaks at this rate without a buffer" in law.sentence()
    assert math.isinf(fit([Observation(0, 3, 40, 20, 20)]).ratio)


def test_where_no_ratio_tried_keeps_both_bounds_the_answer_is_none():
    leaks = zip(RATIOS, (40, 40, 38, 30, 12, 6), strict=True)
    leaking = fit([Observation(ratio, count, 40, 20, 20) for ratio, count in leaks])
    forgetful = fit([Observation(r, leaks, 40, right, 40) for r, leaks, right in ((0, 40, 40), (1, 2, 8), (5, 0, 2))])
    for law in (leaking, forgetful):
        assert math.isinf(law.ratio) and law.sentence().startswith("None of the ratios tried is enough: at 5")


def test_the_dose_measured_on_smollm2_is_followed():
    """Plain questions in the format at ratios 0 to 2.5 with rate 1e-3: 100, 59, 28, 9, 0 and 0 % of 32."""
    counts = {0: 32, 0.1: 19, 0.25: 9, 0.5: 3, 1.25: 0, 2.5: 0}
    law = fit([Observation(ratio, leaks, 32, 32, 32) for ratio, leaks in counts.items()])
    median, low, high = law.leaks(list(counts))
    shares = np.array(list(counts.values())) / 32
    assert np.abs(median - shares).max() < 0.12 and (low <= shares + 0.02).all() and (shares - 0.02 <= high).all()
    assert 0.5 < law.interval[0] < law.ratio < law.interval[1] < 2


@settings(max_examples=15)
@given(st.lists(st.integers(0, 40), min_size=3, max_size=3), st.integers(0, 2))
def test_more_leaks_never_ask_for_a_smaller_buffer(leaks, place):
    more = [40 if here >= place else count for here, count in enumerate(leaks)]
    few, many = (
        fit([Observation(r, count, 40, 20, 20) for r, count in zip((0, 0.5, 2), counts, strict=True)])
        for counts in (leaks, more)
    )
    assert many.sufficient(2) <= few.sufficient(2) + 0.03  # draws, not the posterior itself
    assert (np.diff(few.leaks([0, 0.5, 1, 2, 4])) <= 0).all()


def test_the_likelihood_is_the_binomials_over_the_models_own_error():
    errors = np.linspace(-8, 8, 4001)
    density = np.exp(-(errors**2) / 2) / np.exp(-(errors**2) / 2).sum()
    for hits, error in ((0, 0.4), (7, 0.8), (20, 0.8)):
        found = np.interp([-2.0, 0.5], ratio_law.LOGITS, ratio_law._likelihood(hits, 20, error))
        for logit, value in zip((-2.0, 0.5), found, strict=True):
            share = 1 / (1 + np.exp(-(logit + error * errors)))
            whole = (density * share**hits * (1 - share) ** (20 - hits)).sum()
            assert value == pytest.approx(math.log(whole), abs=0.03)


def test_the_smallest_ratio_is_that_of_a_walk_through_all_of_them():
    rng = np.random.default_rng(1)
    leak = np.stack([rng.uniform(-6, 6, 300), rng.uniform(0.5, 5, 300), rng.uniform(0.5, 50, 300)], axis=1)
    learnt = np.stack([rng.uniform(-3, 6, 300), rng.choice([-2.0, -0.5, 0.0, 0.5, 2.0], 300)], axis=1)
    ratios = np.linspace(0, 5, 5001)
    kept = ratio_law._share(ratio_law._leak_logits(leak, ratios)) <= 0.02
    kept &= ratio_law._share(ratio_law._learnt_logits(learnt, ratios)) >= 0.75
    walked = np.where(kept.any(axis=1), ratios[kept.argmax(axis=1)], math.inf)
    found = ratio_law._smallest(leak, learnt, 5.0, 0.02, 0.75)
    assert (np.isinf(walked) == np.isinf(found)).mean() > 0.99  # a window narrower than a step is walked over
    both = np.isfinite(walked) & np.isfinite(found)
    assert both.sum() > 50 and np.abs(walked[both] - found[both]).max() <= 0.0011


def test_a_ratio_is_rounded_up():
    assert [ratio_law._up(ratio) for ratio in (0, 0.3141, 1.21, 2.0, 12.3, math.inf)] == [
        0,
        0.32,
        1.3,
        2.0,
        13,
        math.inf,
    ]
