from itertools import pairwise, product

import torch
from hypothesis import given
from hypothesis import strategies as st

from leaven.models import batches
from leaven.models.load import load
from leaven.models.mask import Encoded
from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection


def schedule(rows, step_rows, epochs=1):
    config = TuneSection(per_device_train_batch_size=step_rows, small_data_batch=0, num_train_epochs=epochs)
    return Schedule.of(rows, config)


def row(ids, first=0):
    """A row of these tokens; those from `first` on carry loss."""
    return Encoded(list(ids), [int(place >= first) for place in range(len(ids))])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 16), st.integers(0, 3), st.booleans())
def test_an_epoch_holds_every_row_once_and_steps_hold_the_same_rows_sorted_or_not(lengths, step_rows, epoch, sort):
    steps = schedule(len(lengths), step_rows)
    order, plain = (batches.Order(lengths, steps, 7, sort=s) for s in (sort, False))
    numbers = range(epoch * steps.epoch_steps, (epoch + 1) * steps.epoch_steps)
    assert sorted(row for number in numbers for row in order.step(number)) == list(range(len(lengths)))
    for number in numbers:
        step = order.step(number)
        assert sorted(step) == sorted(plain.step(number))
        assert not sort or [lengths[r] for r in step] == sorted(lengths[r] for r in step)


def test_the_first_epoch_keeps_the_order_of_the_mixture_and_later_ones_are_shuffled_by_the_seed():
    steps = schedule(30, 30, epochs=3)
    orders = [[batches.Order([1] * 30, steps, seed, sort=False).step(n) for n in range(3)] for seed in (0, 0, 1)]
    assert orders[0][0] == orders[2][0] == list(range(30))
    assert orders[0] == orders[1] and len({tuple(order) for order in (*orders[0], *orders[2])}) == 5


def test_a_packed_row_sees_only_itself(tiny_model):
    model = load(tiny_model()).model
    ids = [[5, 6], [8, 9, 10, 11, 12], [13, 14, 15], [16]]
    found = batches.pack([row(each) for each in ids])
    assert found["input_ids"].tolist() == [[8, 9, 10, 11, 12], [13, 14, 15, 5, 6], [16, 0, 0, 0, 0]]
    assert found["position_ids"].tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1], [0, 0, 0, 0, 0]]
    assert found["labels"].tolist() == [[-100, 9, 10, 11, 12], [-100, 14, 15, -100, 6], [-100] * 5]
    with torch.no_grad():
        lines = model(input_ids=found["input_ids"], position_ids=found["position_ids"], use_cache=False).logits
        alone = [model(input_ids=torch.tensor([each])).logits[0] for each in ids]
    together = [lines[1, 3:], lines[0], lines[1, :3], lines[2, :1]]
    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(together, alone, strict=True))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_every_row_is_packed_once(lengths):
    rows = [row([number] * length) for number, length in enumerate(lengths, 1)]
    found = batches.pack(rows)
    assert found["input_ids"].shape[1] == max(lengths)
    counted = found["input_ids"].flatten().bincount(minlength=len(lengths) + 1)[1:]
    assert counted.tolist() == lengths
    assert (found["labels"] != -100).sum() == sum(length - 1 for length in lengths)


def test_a_padded_row_says_what_it_says_alone(tiny_model):
    """Without a mask: no token looks at the padding after its row."""
    model = load(tiny_model()).model
    ids = [[5, 6], [8, 9, 10, 11, 12], [13, 14, 15]]
    with torch.no_grad():
        together = model(input_ids=batches.pad([row(each) for each in ids], pad_id=1)["input_ids"]).logits
        alone = [model(input_ids=torch.tensor([each])).logits[0] for each in ids]
    assert all(torch.allclose(many[: len(one)], one, atol=1e-5) for many, one in zip(together, alone, strict=True))


def cost(lengths, slices):
    return sum((s.stop - s.start) * max(lengths[s]) + batches.PASS_TOKENS for s in slices)


def all_splits(count):
    """Every way to cut a line of so many rows into slices."""
    for cuts in product((False, True), repeat=count - 1):
        edges = [0, *(place for place, cut in enumerate(cuts, 1) if cut), count]
        yield [slice(*edge) for edge in pairwise(edges)]


@given(st.lists(st.integers(1, 90), min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 200))
def test_passes_hold_every_row_once_within_the_limits_at_the_least_cost(lengths, most_rows, most_tokens):
    def fits(part):
        rows = part.stop - part.start
        return rows <= most_rows and (rows == 1 or rows * max(lengths[part]) <= most_tokens)

    slices = batches.passes(lengths, most_rows, most_tokens)
    assert [place for part in slices for place in range(part.start, part.stop)] == list(range(len(lengths)))
    assert all(fits(part) for part in slices)
    least = min(cost(lengths, split) for split in all_splits(len(lengths)) if all(map(fits, split)))
    assert cost(lengths, slices) == least


def test_padding_carries_no_loss():
    found = batches.pad([row([1]), row([2, 3], first=1)], pad_id=9)
    assert found["input_ids"].tolist() == [[1, 9], [2, 3]]
    assert found["labels"].tolist() == [[1, -100], [-100, 3]]
