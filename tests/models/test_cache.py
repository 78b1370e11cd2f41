"""A cache of spare room holds what one without it does."""

import pytest
import torch

from leaven.models import cache as kv

HEADS, WIDTH = 2, 4


def states(rows, columns):
    return torch.randn(rows, HEADS, columns, WIDTH), torch.randn(rows, HEADS, columns, WIDTH)


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return kv.RoomyLayer()


def test_all_states_are_there_in_one_piece_and_the_mask_is_as_wide_as_what_a_model_is_given(layer):
    parts = [states(3, new) for new in (7, 1, 1, 5, *[1] * kv.SPARE)]
    for end, part in enumerate(parts, 1):
        columns, first = layer.get_mask_sizes(part[0].shape[2])
        given = layer.update(*part)
        for number, (whole, filled) in enumerate(zip(given, layer.states, strict=True)):
            assert whole.shape == (3, HEADS, columns, WIDTH) and first == 0 and whole.is_contiguous()
            assert torch.equal(filled, torch.cat([each[number] for each in parts[:end]], 2))
            assert not whole[:, :, layer.length :].any()
    assert layer.get_seq_length() == 14 + kv.SPARE


def test_a_prompt_of_one_token_has_no_spare_room(layer):
    """transformers gives no mask for it."""
    assert layer.get_mask_sizes(1) == (1, 0)
    assert layer.update(*states(2, 1))[0].shape[2] == 1


def test_room_is_made_once_for_many_tokens(layer):
    layer.update(*states(1, 3))
    rooms = {layer.update(*states(1, 1))[0].data_ptr() for _ in range(kv.SPARE - 3)}
    assert len(rooms) == 1


def test_rows_that_leave_and_join_bring_no_spare_room():
    torch.manual_seed(0)
    caches = [kv.empty(), kv.empty()]
    for cache, rows, columns in zip(caches, (3, 1), (4, 6), strict=True):
        cache.update(*states(rows, columns), 0)
        cache.update(*states(rows, 1), 0)
    (keys, _), (others, _) = (cache.layers[0].states for cache in caches)
    kv.select(caches[0], torch.tensor([2, 0]), 4)
    assert torch.equal(caches[0].layers[0].states[0], keys[[2, 0], :, -4:])
    kv.join(*caches)
    joined, _ = caches[0].layers[0].states
    assert joined.shape == (3, HEADS, 7, WIDTH) and not joined[:2, :, :3].any()
    assert torch.equal(joined[:2, :, 3:], keys[[2, 0], :, -4:]) and torch.equal(joined[2:], others)
    kv.reorder(caches[0], torch.arange(6, -1, -1).expand(3, 7))
    assert torch.equal(caches[0].layers[0].states[0], joined.flip(2))
    copies = kv.repeat(caches[1], 2)
    assert torch.equal(copies.layers[0].states[0], others.expand(2, -1, -1, -1))
