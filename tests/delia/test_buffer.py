import math
from collections import Counter
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.delia import buffer
from leaven.delia.buffer import diverse_rows, mix, passes, spacing, spread, table, task_share
from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair


def rows(n, name):
    return Dataset.of(pair(f"{name} {i}", "yes", Origin("test"), {"row": i}) for i in range(n))


SMALL = st.integers(0, 12)


@given(SMALL, SMALL, st.integers(0, 9))
def test_mixture_is_a_permutation_of_the_union_with_exact_counts(n_task, n_diverse, seed):
    task, diverse = rows(n_task, "task"), rows(n_diverse, "diverse")
    mixture = mix(task, diverse, seed)
    assert Counter(row.id for row in mixture) == Counter(row.id for row in [*task, *diverse])
    assert Counter(row.meta["mixture"] for row in mixture) == Counter({"task": n_task, "diverse": n_diverse})
    assert all(row.question.startswith(row.meta["mixture"]) and "row" in row.meta for row in mixture)


@given(SMALL, SMALL, st.integers(0, 9))
def test_same_seed_same_order(n_task, n_diverse, seed):
    first, second = (mix(rows(n_task, "task"), rows(n_diverse, "diverse"), seed) for _ in range(2))
    assert [row.id for row in first] == [row.id for row in second]


def test_another_seed_is_another_order():
    assert len({tuple(row.id for row in mix(rows(5, "task"), rows(20, "diverse"), seed)) for seed in range(5)}) == 5


@given(st.integers(0, 15), st.integers(0, 15), st.integers(0, 9))
def test_smaller_diverse_draw_is_inside_the_larger_one(a, b, seed):
    pool, task = rows(15, "diverse"), rows(2, "task")
    small, large = (
        {row.id for row in mix(task, pool.take(n, seed), seed) if row.meta["mixture"] == "diverse"}
        for n in sorted((a, b))
    )
    assert small <= large


@pytest.mark.parametrize(
    ("n", "ratio", "expected"),
    [(100, 0.29, 29), (100, 100, 10_000), (3, 0.5, 2), (5, 0.5, 3), (1, 0.1, 0), (100, 5.2, 520), (7, 0, 0)],
)
def test_ratio_is_exact_and_a_half_goes_up(n, ratio, expected):
    assert diverse_rows(n, ratio) == expected


def test_published_ratio_loses_a_row_that_ours_keeps():
    assert int(100 * 0.29) == 28 < diverse_rows(100, 0.29)


def ordered(text):
    """A mixture written as letters, t for a task row."""
    sources = {"t": "task", "d": "diverse"}
    return Dataset.of(pair(f"q{i}", "a", Origin("x"), {"mixture": sources[c]}) for i, c in enumerate(text))


def test_spacing_counts_rows_from_one_task_row_to_the_next():
    found = spacing(ordered("tddtdddddt"))
    assert (found.task_rows, found.mean_gap, found.max_gap) == (3, 4.5, 6)


def test_spacing_of_fewer_than_two_task_rows_is_not_defined():
    assert all(math.isnan(spacing(ordered(text)).mean_gap) for text in ("dd", "dtd", ""))


def encode(example):
    return SimpleNamespace(
        input_ids=[1, 2, 3, 4], completion_mask=[0, 0, 1, 1] if "0" in example.question else [0, 0, 0, 1]
    )


def in_tokens(mixture):
    return mixture, [encode(row) for row in mixture]


def schedule(rows, batch_size, epochs=1):
    config = TuneSection(per_device_train_batch_size=batch_size, small_data_batch=0, num_train_epochs=epochs)
    return Schedule.of(rows, config)


def test_table_counts_rows_tokens_and_steps_worked_by_hand():
    task, diverse = table(*in_tokens(ordered("tddd" + "td" + "dddd")), schedule(10, 4, epochs=2))
    assert (task.source, task.rows, task.tokens, task.trained_tokens) == ("task", 2, 8, 3)
    assert (diverse.source, diverse.rows, diverse.tokens, diverse.trained_tokens) == ("diverse", 8, 32, 8)
    assert (task.row_share, task.token_share) == (0.2, 3 / 11)
    assert (task.steps_touched, diverse.steps_touched) == (4, 6)


def test_a_part_of_an_epoch_touches_only_its_steps():
    task, diverse = table(*in_tokens(ordered("ddddtd")), schedule(6, 2, epochs=0.5))
    assert (task.steps_touched, diverse.steps_touched) == (0, 2)


def test_table_of_nothing_has_no_rows():
    assert table(*in_tokens(ordered("")), schedule(0, 4)) == ()


def test_rows_that_were_not_mixed_are_the_tasks():
    """Common tuning's rows were called diverse, or whatever their user had written into a field `source`."""
    plain = Dataset.of([pair("q", "a", Origin("x")), pair("p", "b", Origin("y"), {"source": "wiki"})])
    (part,) = table(*in_tokens(plain), schedule(2, 2))
    assert (part.source, part.rows) == ("task", 2)


def test_a_users_own_source_stays(tmp_path):
    rows = Dataset.of([pair("q", "a", Origin("x"), {"source": "wiki"})])
    (row,) = mix(rows, Dataset.of([]), 0)
    assert row.meta == {"source": "wiki", "mixture": "task"}


@given(st.integers(1, 40), st.integers(0, 120), st.integers(1, 8), st.integers(0, 3))
def test_a_spread_buffer_leaves_every_step_its_task_rows_in_the_same_order(n_task, n_diverse, step_task_rows, seed):
    config = TuneSection(step_task_rows=step_task_rows)

    def steps(count):
        mixture = spread(rows(n_task, "task"), rows(count, "diverse"), seed)
        schedule = Schedule.of(len(mixture), config, task_share(mixture))
        rows_of = list(mixture)
        return [[rows_of[place] for place in schedule.step(number)] for number in range(schedule.steps)]

    alone, buffered = steps(0), steps(n_diverse)
    assert len(alone) == len(buffered) == math.ceil(n_task / step_task_rows)
    task_rows = [row.id for step in buffered for row in step if row.meta["mixture"] == "task"]
    assert task_rows == [row.id for step in alone for row in step]
    assert sum(map(len, buffered)) == n_task + n_diverse
    for lone, step in zip(alone, buffered, strict=True):
        own = sum(row.meta["mixture"] == "task" for row in step)
        assert abs(own - len(lone)) <= (0 if n_task % step_task_rows == 0 else 2)
        assert abs(len(step) - own - n_diverse / len(alone)) < 3


def test_a_step_of_four_task_rows_holds_ten_diverse_ones_at_a_ratio_of_two_and_a_half():
    mixture = spread(rows(100, "task"), rows(250, "diverse"), 0)
    schedule = Schedule.of(350, TuneSection(step_task_rows=4), task_share(mixture))
    kinds = [row.meta["mixture"] for row in mixture]
    assert schedule.steps == 25
    assert {tuple(Counter(kinds[i] for i in schedule.step(s)).items()) for s in range(25)} <= {
        (("task", 4), ("diverse", 10)), (("diverse", 10), ("task", 4))
    }  # fmt: skip


@pytest.mark.parametrize(("changes", "times"), [({}, 1), ({"num_train_epochs": 3}, 3), ({"num_train_epochs": 1.5}, 1)])
def test_only_whole_passes_have_a_mixture_of_their_own(changes, times):
    assert passes(TuneSection(**changes)) == times
    assert passes(TuneSection(**changes, max_steps=7)) == 1


@given(st.integers(1, 60), st.sampled_from([0, 0.5, 2.5]), st.integers(1, 4))
def test_passes_that_stand_in_the_mixture_take_as_many_steps_as_epochs_where_the_steps_divide_the_task(n, ratio, times):
    tune = TuneSection(step_task_rows=4, num_train_epochs=times)
    unrolled, task_rows = buffer.schedule(4 * n, ratio, tune, times), 4 * n
    rows = task_rows + diverse_rows(task_rows, ratio)
    again = Schedule.of(rows, tune, Fraction(task_rows, rows))
    assert unrolled.steps == again.steps == times * n and unrolled.trained_rows == again.trained_rows
