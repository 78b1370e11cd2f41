"""What the throttle makes of servers, in virtual time: the ideal is what the server could have answered."""

import asyncio

import pytest
from tests.llm.virtual import Busy, Capped, Rated, seconds

from leaven.llm.throttle import Limits, Minute, Throttle


def throttle_of(server):
    return server.llm.client.servers.each[0].throttle


@pytest.mark.parametrize(
    ("cap", "calls", "refused"), [(64, 2000, 25), (8, 500, 65), (1, 100, 70)], ids=["cap64", "cap8", "cap1"]
)
def test_a_server_that_refuses_beyond_its_cap_is_driven_just_below(monkeypatch, cap, calls, refused):
    server = Capped(cap)
    assert calls * 0.2 / cap / seconds(monkeypatch, server, calls) >= 0.95
    assert server.refused <= refused  # the first burst, and a probe now and then
    assert throttle_of(server).cap == cap


@pytest.mark.parametrize("each", [0.0003, 0.0005])
def test_whatever_messages_take_a_refused_call_ends_with_the_others(monkeypatch, each):
    """One that waited as long as Retry-After says ended alone, .2 s late, where a probe came at the end of the run."""
    server = Busy(64, client=each, server=each)
    assert 2000 * 0.2 / 64 / seconds(monkeypatch, server, 2000) >= 0.95
    assert server.refused <= 25


def test_a_long_run_leaves_hardly_a_place_idle(monkeypatch):
    server = Busy(64)
    took = seconds(monkeypatch, server, 4000)
    assert server.idle / (64 * took) <= 0.03 and server.refused <= 40


def test_calls_that_all_are_refused_are_not_asked_on_and_on(monkeypatch):
    """Another client has all places: refused calls wait, though they are said to be too many at a time."""

    class Taken(Capped):
        async def __call__(self):
            self.cap = 0 if asyncio.get_running_loop().time() < 20 else 8
            return await super().__call__()

    server = Taken(0)
    assert seconds(monkeypatch, server, 40) < 30
    assert server.refused <= 64 + 20 / 0.2


def test_a_server_that_lets_calls_wait_is_never_idle(monkeypatch):
    server = Capped(64, refuses=False)
    assert 2000 * 0.2 / 64 / seconds(monkeypatch, server, 2000) >= 0.95


def test_a_server_that_bears_more_is_found_out_quickly(monkeypatch):
    server = Capped(200)
    assert seconds(monkeypatch, server, 4000) < 4000 * 0.2 / 200 / 0.8
    assert throttle_of(server).cap == 200


def test_a_cap_that_changes_is_followed_down_and_up(monkeypatch):
    class Changing(Capped):
        async def __call__(self):
            self.cap = 24 if 5 < asyncio.get_running_loop().time() < 15 else 64
            return await super().__call__()

    server = Changing(64)
    took = seconds(monkeypatch, server, 5 * 320 + 10 * 120 + 10 * 320)
    assert 25 / took >= 0.8
    assert server.refused <= 120
    assert throttle_of(server).cap == 64


def test_a_rate_is_kept_and_no_call_is_wasted_on_it(monkeypatch):
    server = Rated(6000)
    took = seconds(monkeypatch, server, 1500)
    assert 15 / took >= 0.75
    assert server.refused <= 0.15 * 1500


@pytest.mark.parametrize("wait", [None, 0.05])
def test_refusals_by_chance_do_not_slow_it_down(monkeypatch, wait):
    class Moody(Capped):
        async def __call__(self):
            return (429, "", wait) if self.random.random() < 0.03 else await super().__call__()

    assert 2000 * 0.2 / 64 / seconds(monkeypatch, Moody(64, refuses=False), 2000) >= 0.7


def test_caps_of_the_user_hold(monkeypatch):
    server = Capped(64)
    took = seconds(monkeypatch, server, 300, Limits(requests_per_minute=100))
    assert 120 <= took < 125


def test_a_minute_forgets():
    minute = Minute()
    minute.add(0, 5)
    minute.add(30, 5)
    assert (minute.full(11, 31), minute.full(10, 31), minute.full(10, 60.5)) == (0, 29, 0)
    assert minute.total == 5


def test_the_concurrency_stays_within_four_times_its_beginning():
    throttle = Throttle(Limits(concurrency=2))
    for _ in range(100):
        calls = [throttle.begin() for _ in range(int(throttle.allowed))]
        for call in calls:
            throttle.end()
            throttle.on_answer(call)
    assert throttle.allowed == 8
