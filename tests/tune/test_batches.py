import torch
from hypothesis import given
from hypothesis import strategies as st

from leaven.tune import batches
from leaven.weights.load import load


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
    rows = [{"input_ids": [5, 6, 7], "labels": [-100, 6, 7]}, {"input_ids": [8, 9, 10, 11], "labels": [8, 9, 10, 11]}]
    packed = batches.pack(rows)
    assert packed["position_ids"].tolist() == [[0, 1, 2, 0, 1, 2, 3]]
    assert packed["labels"].tolist() == [[-100, 6, 7, -100, 9, 10, 11]]
    with torch.no_grad():
        together = model(input_ids=packed["input_ids"], position_ids=packed["position_ids"], use_cache=False).logits[0]
        alone = [model(input_ids=torch.tensor([row["input_ids"]])).logits[0] for row in rows]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_padding_carries_no_loss():
    found = batches.pad([{"input_ids": [1], "labels": [1]}, {"input_ids": [2, 3], "labels": [-100, 3]}], pad_id=9)
    assert found["input_ids"].tolist() == [[1, 9], [2, 3]]
    assert found["attention_mask"].tolist() == [[1, 0], [1, 1]]
    assert found["labels"].tolist() == [[1, -100], [-100, 3]]
