from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.llm.budget import Price
from leaven.llm.engines.scripted import Scripted
from leaven.llm.pilot import Recorded, Step, total
from leaven.llm.protocol import Reply, Sampling
from leaven.rows.example import user

PRICE = Price(2.0, 8.0, "2026-01-31")


def said(*tokens):
    return tuple(Reply("x", None, "stop", came, went) for came, went in tokens)


def test_a_range_by_hand():
    step = Step("sample", 1000, said((100, 10), (100, 30)))
    assert step.prompt_tokens == pytest.approx((90_000, 110_000))  # no spread: a tenth to either side
    # The deviation of 10 and 30 is the root of 200: twice that over the root of two is 20, which is the mean itself.
    assert step.completion_tokens == pytest.approx((0, 40_000))
    low, high = replace(step, price=PRICE).cost
    assert low == pytest.approx(90_000 * 2 / 1e6)
    assert high == pytest.approx((110_000 * 2 + 40_000 * 8) / 1e6)
    assert step.cost is None


def test_a_call_that_failed_tells_nothing_of_what_a_call_takes():
    """Half of the calls failed, and the range was that of half the tokens."""
    replies = said((100, 10), (100, 30))
    failed = (Reply(None, "the server is down"),) * 2
    assert Step("sample", 10, (*replies, *failed)).prompt_tokens == Step("sample", 10, replies).prompt_tokens


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=9), st.integers(0, 10_000))
def test_the_mean_lies_within_and_nothing_is_negative(tokens, calls):
    step = Step("x", calls, said(*tokens))
    mean = sum(came for came, _ in tokens) / len(tokens) * calls
    low, high = step.prompt_tokens
    assert 0 <= low <= mean * (1 + 1e-9) and mean <= high * (1 + 1e-9) + 1e-9


def test_ends_add_up_and_an_unknown_price_stays_unknown():
    steps = [Step("a", 10, said((10, 1)), price=PRICE), Step("b", 5, said((20, 2)), price=PRICE)]
    calls, came, _, cost = total(steps)
    assert calls == 15
    assert came == (0.0, 2 * 10 * 10 + 2 * 20 * 5)  # one call tells nothing of the spread: up to twice as much
    assert cost[1] == pytest.approx(sum(replace(step, price=PRICE).cost[1] for step in steps))
    assert total([*steps, Step("none", 0, ())])[3] is None


def test_replies_pass_and_are_kept():
    llm = Recorded(Scripted(lambda prompt, draw: prompt[-1].content))
    found = dict(llm.replies([user("a"), user("b c")], Sampling()))
    assert [found[n].text for n in range(2)] == [reply.text for reply in llm.record] == ["a", "b c"]
