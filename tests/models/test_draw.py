import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven.models.draw import RARE, draw


def sorted_whole(logits, temperature, top_p, uniforms):
    """The slow obvious draw: every row's vocabulary sorted where there is a nucleus, then the inverse CDF."""
    shares = torch.softmax(logits.float() / temperature, -1)
    order = torch.arange(logits.shape[-1]).repeat(len(logits), 1)
    if top_p < 1:
        shares, order = shares.sort(dim=-1, descending=True, stable=True)
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= top_p, 0)
    total = shares.double().cumsum(-1)
    place = torch.searchsorted(total, uniforms[:, None] * total[:, -1:], right=True)
    return order.gather(-1, place.clamp(max=logits.shape[-1] - 1))[:, 0]


def test_sampling_keeps_the_set_that_transformers_keeps():
    from transformers.generation.logits_process import TemperatureLogitsWarper, TopPLogitsWarper

    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0)) * 3
    warped = TopPLogitsWarper(0.8)(None, TemperatureLogitsWarper(0.7)(None, logits))
    expected = torch.softmax(warped, -1)
    grid = (torch.arange(4000).double() + 0.5) / 4000
    for row in range(4):
        drawn = draw(logits[row].repeat(4000, 1), 0.7, 0.8, grid)
        assert torch.allclose(torch.bincount(drawn, minlength=50) / 4000, expected[row], atol=1e-3)
        plain = draw(logits[row].repeat(4000, 1), 0.7, 1.0, grid)
        assert torch.allclose(
            torch.bincount(plain, minlength=50) / 4000, torch.softmax(logits[row] / 0.7, -1), atol=1e-3
        )


@settings(max_examples=150)
@given(
    st.integers(0, 2**31),
    st.sampled_from([2, 50, 3000]),
    st.floats(0.05, 6),  # spread of the logits: nearly flat rows need all their tokens, peaked ones a few
    st.sampled_from([0.3, 0.7, 1.0, 2.0]),
    st.sampled_from([1e-3, 0.1, 0.5, 0.9, 0.95, 0.999, 0.9999999, 1.0]),
    st.booleans(),
)
def test_the_draw_is_that_of_the_sorted_vocabulary_token_for_token(seed, width, spread, temperature, top_p, half):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(19, width, generator=generator) * spread
    logits[::3] = logits[::3].round()  # ties: the lower id comes first
    logits[1, 1:] = -torch.inf
    if half:
        logits = logits.bfloat16()
    uniforms = torch.rand(19, generator=generator, dtype=torch.float64)
    uniforms[0], uniforms[-1] = 0.0, 1 - 2**-30
    drawn = draw(logits, temperature, top_p, uniforms)
    assert drawn.tolist() == sorted_whole(logits, temperature, top_p, uniforms).tolist()


@pytest.mark.parametrize("spread", [0, 1e-3, 8.0])
def test_rows_that_need_rare_tokens_are_done_again_with_them(spread):
    """One flat row among peaked ones: each of its tokens is rarer than the first bound, and all tie or nearly."""
    assert 1 / 20_000 < RARE[0]
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(9, 20_000, generator=generator) * 8
    logits[4] = torch.randn(20_000, generator=generator) * spread
    for _ in range(5):
        uniforms = torch.rand(9, generator=generator, dtype=torch.float64)
        assert draw(logits, 1.0, 0.95, uniforms).tolist() == sorted_whole(logits, 1.0, 0.95, uniforms).tolist()


def test_greedy_takes_the_first_of_the_largest():
    logits = torch.tensor([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]]).bfloat16()
    assert draw(logits, 0.0, 1.0, torch.zeros(2)).tolist() == [1, 0]


def test_a_token_that_may_not_be_said_is_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf]]).repeat(4, 1)
    for top_p in (0.5, 1.0):
        assert draw(logits, 1.0, top_p, torch.tensor([0.0, 0.3, 0.9, 1 - 2**-53]).double()).tolist() == [1] * 4
