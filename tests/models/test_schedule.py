import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection

SETTINGS = st.fixed_dictionaries(
    {
        "per_device_train_batch_size": st.integers(1, 70),
        "gradient_accumulation_steps": st.integers(1, 5),
        "small_data_batch": st.integers(0, 40),
        "num_train_epochs": st.floats(0.1, 4, allow_subnormal=False),
        "max_steps": st.sampled_from([-1, 1, 7, 100]),
        "warmup_steps": st.integers(0, 9),
        "warmup_ratio": st.floats(0, 1, allow_subnormal=False),
        "lr_scheduler_type": st.sampled_from(["constant_with_warmup", "linear", "cosine"]),
        "batching": st.sampled_from(["length", "packed", "random"]),
    }
)


def of(rows, **settings):
    return Schedule.of(rows, TuneSection.model_validate(settings))


@given(st.integers(1, 2000), SETTINGS)
def test_every_row_is_trained_once_an_epoch(rows, settings):
    schedule = of(rows, **settings)
    trained = []
    for number in range(schedule.epoch_steps):
        step = list(schedule.step(number))
        assert 0 < len(step) <= schedule.step_rows
        trained += step
    assert trained == list(range(rows))
    assert schedule.step(schedule.epoch_steps) == schedule.step(0)


@given(st.integers(1, 600), SETTINGS)
def test_the_sums_agree_with_the_steps(rows, settings):
    schedule = of(rows, **settings)
    assert schedule.trained_rows == sum(len(schedule.step(number)) for number in range(schedule.steps))
    assert schedule.pass_rows <= schedule.step_rows and schedule.pass_rows <= settings["per_device_train_batch_size"]
    if settings["max_steps"] > 0:
        assert schedule.steps == settings["max_steps"]
    else:
        assert schedule.steps == math.ceil(schedule.epoch_steps * settings["num_train_epochs"])


@given(st.integers(1, 600), SETTINGS)
def test_no_step_trains_at_rate_zero_and_warm_up_rises_to_one(rows, settings):
    schedule = of(rows, **settings)
    rates = [schedule.learning_rate(step) for step in range(schedule.steps)]
    warm, rest = rates[: schedule.warmup_steps], rates[schedule.warmup_steps :]
    assert all(0 < rate <= 1 for rate in rates)
    assert warm == sorted(warm) and rest == sorted(rest, reverse=True)
    assert len(warm) < schedule.warmup_steps or not warm or warm[-1] == 1
    assert not rest or rest[0] == 1


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        ({"warmup_steps": 1, "max_steps": 3}, [1, 1, 1]),
        ({"warmup_steps": 4, "max_steps": 6}, [0.25, 0.5, 0.75, 1, 1, 1]),
        ({"warmup_steps": 25, "max_steps": 2}, [0.04, 0.08]),
        ({"warmup_steps": 1, "max_steps": 5, "lr_scheduler_type": "linear"}, [1, 1, 0.75, 0.5, 0.25]),
        ({"warmup_steps": 1, "max_steps": 3, "lr_scheduler_type": "cosine"}, [1, 1, 0.5]),
        ({"warmup_ratio": 0, "max_steps": 2, "lr_scheduler_type": "linear"}, [1, 0.5]),
    ],
)
def test_rates_by_hand(settings, rates):
    schedule = of(100, **settings)
    assert [schedule.learning_rate(step) for step in range(schedule.steps)] == pytest.approx(rates)


def test_small_data_has_a_smaller_step():
    assert (of(255).step_rows, of(256).step_rows, of(255, small_data_batch=0).step_rows) == (16, 64, 64)


def test_what_a_schedule_is_of_the_papers_settings():
    schedule = of(10_100, preset="paper")
    assert (schedule.step_rows, schedule.pass_rows, schedule.steps, schedule.warmup_steps) == (64, 16, 158, 25)


def test_no_rows_make_no_steps():
    assert (of(0).steps, of(0).trained_rows, of(0, max_steps=5).steps) == (0, 0, 0)
