import torch
from hypothesis import given
from hypothesis import strategies as st

from leaven.models import batches
from leaven.models.load import load


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 16), st.integers(0, 3), st.booleans())
def test_an_epoch_holds_every_row_once_and_steps_hold_the_same_rows_sorted_or_not(lengths, step_rows, epoch, sort):
    order, plain = (batches.Order(lengths, step_rows, 7, sort=s) for s in (sort, False))
    order.set_epoch(epoch)
    plain.set_epoch(epoch)
    rows, reference = list(order), list(plain)
    assert sorted(rows) == list(range(len(lengths)))
    for start in range(0, len(rows), step_rows):
        step = rows[start : start + step_rows]
        assert sorted(step) == sorted(reference[start : start + step_rows])
        assert not sort or [lengths[r] for r in step] == sorted(lengths[r] for r in step)


def test_the_first_epoch_keeps_the_order_of_the_mixture():
    assert list(batches.Order([3, 1, 2], 1, 0, sort=False)) == [0, 1, 2]


def test_a_packed_row_sees_only_itself(tiny_model):
    model = load(tiny_model()).model
    ids = [[5, 6], [8, 9, 10, 11, 12], [13, 14, 15], [16]]
    found = batches.pack([{"input_ids": row, "labels": row} for row in ids])
    assert found["input_ids"].tolist() == [[8, 9, 10, 11, 12], [13, 14, 15, 5, 6], [16, 0, 0, 0, 0]]
    assert found["position_ids"].tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1], [0, 0, 0, 0, 0]]
    assert found["labels"].tolist() == [[-100, 9, 10, 11, 12], [-100, 14, 15, -100, 6], [-100] * 5]
    with torch.no_grad():
        lines = model(input_ids=found["input_ids"], position_ids=found["position_ids"], use_cache=False).logits
        alone = [model(input_ids=torch.tensor([row])).logits[0] for row in ids]
    together = [lines[1, 3:], lines[0], lines[1, :3], lines[2, :1]]
    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(together, alone, strict=True))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_every_row_is_packed_once(lengths):
    rows = [{"input_ids": [number] * length, "labels": [number] * length} for number, length in enumerate(lengths, 1)]
    found = batches.pack(rows)
    assert found["input_ids"].shape[1] == max(lengths)
    counted = found["input_ids"].flatten().bincount(minlength=len(lengths) + 1)[1:]
    assert counted.tolist() == lengths
    assert (found["labels"] != -100).sum() == sum(length - 1 for length in lengths)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 7), st.integers(0, 12))
def test_what_was_seen_is_counted_from_the_steps(lengths, step_rows, steps):
    order, counted, done = batches.Order(lengths, step_rows, 3, sort=True), 0, 0
    while done < steps:
        rows = list(order)
        for start in range(0, len(rows), step_rows):
            if done < steps:
                counted += sum(lengths[row] for row in rows[start : start + step_rows])
                done += 1
        order.set_epoch(order.epoch + 1)
    assert order.seen(lengths, steps) == counted


def test_padding_carries_no_loss():
    found = batches.pad([{"input_ids": [1], "labels": [1]}, {"input_ids": [2, 3], "labels": [-100, 3]}], pad_id=9)
    assert found["input_ids"].tolist() == [[1, 9], [2, 3]]
    assert found["attention_mask"].tolist() == [[1, 0], [1, 1]]
    assert found["labels"].tolist() == [[1, -100], [-100, 3]]
