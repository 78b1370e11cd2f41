"""A claim lasts as long as its owner gives signs of life, and no longer: whatever lives under its process id now."""

import os
import socket
import subprocess
import sys
import time

import pytest
from tests.llm.test_store import Counting, texts

from leaven.llm import claims
from leaven.llm.protocol import Sampling
from leaven.llm.store import Store, Stored, key
from leaven.rows.example import user

KEYS = {place: key("counting", user(f"question {place}"), Sampling(), 0) for place in range(3)}


@pytest.fixture
def quick(monkeypatch):
    for name, seconds in {"BEAT": 0.02, "SILENCE": 0.3, "LOOK": 0.02}.items():
        monkeypatch.setattr(claims, name, seconds)


def left_behind(store, process, place=None):
    """The claims of somebody who was killed: nobody gives signs of life for them."""
    with store.claims() as gone:
        gone.claim(KEYS)
        rows = [store.database.execute(f"SELECT * FROM {table}").fetchall() for table in ("claims", "owners")]
    store.database.executemany("INSERT INTO claims VALUES (?, ?)", rows[0])
    ((owner, here, _, beat),) = rows[1]
    store.database.execute("INSERT INTO owners VALUES (?, ?, ?, ?)", (owner, place or here, process, beat))


def waits(store):
    """How long a client is busy with what was claimed."""
    began = time.monotonic()
    assert len(texts(Stored(Counting(), store), [user(f"question {n}") for n in range(3)])) == 3
    return time.monotonic() - began


def test_claims_of_a_process_that_is_gone_are_taken_over_at_once(tmp_path):
    store = Store.open(tmp_path / "s.db")
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left_behind(store, process.pid)
    assert waits(store) < claims.SILENCE


@pytest.mark.parametrize("place", [None, "another host", "this host/before its reboot/4026531836"])
def test_after_a_reboot_a_process_id_that_lives_again_holds_nobody_up(tmp_path, quick, caplog, place):
    store = Store.open(tmp_path / "s.db")
    left_behind(store, os.getppid(), place)
    with store.claims() as owner:
        owner.claim({0: b"something else"})
        assert waits(store) >= 0.3
    (said,) = [record.message for record in caplog.records]
    host = (place or socket.gethostname()).partition("/")[0]
    assert said.startswith(f"waiting for 3 replies that process {os.getppid()} on {host} asks for; they are asked here")


def test_a_claim_outlives_a_silence_of_replies(tmp_path, quick):
    mine, theirs = Store.open(tmp_path / "s.db"), Store.open(tmp_path / "s.db")
    with theirs.claims() as owner, mine.claims() as other:
        assert owner.claim(KEYS) == [0, 1, 2]
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert other.claim(KEYS) == []
            other.wait(KEYS)
    with mine.claims() as other:
        assert other.claim(KEYS) == [0, 1, 2]


def test_who_was_silent_for_too_long_takes_nothing_back(tmp_path, quick, monkeypatch):
    mine, theirs = Store.open(tmp_path / "s.db"), Store.open(tmp_path / "s.db")
    monkeypatch.setattr(claims, "BEAT", 60)
    with theirs.claims() as asleep, mine.claims() as other:
        asleep.claim(KEYS)
        while not other.claim(KEYS):
            other.wait(KEYS)
        asleep.release(KEYS[0])
        assert asleep.claim(KEYS) == []
        other.release(KEYS[0])
        assert asleep.claim(KEYS) == [0]


def test_claims_of_nobody_are_anybodys(tmp_path):
    store = Store.open(tmp_path / "s.db")
    store.database.executemany("INSERT INTO claims VALUES (?, 'nobody')", [(known,) for known in KEYS.values()])
    assert waits(store) < claims.SILENCE
