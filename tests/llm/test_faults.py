"""The call layer under faults, by the commands as they are run: broken calls, kills, full disks, clients side by side.

Every row is there or listed with its reason, and what is in the store is not paid for again.
"""

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from tests.llm.test_openai import FAULTS, asked_of, serving

from leaven.llm import throttle
from leaven.llm.store import Store
from leaven.llm.throttle import Limits

ENV = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1", "OPENAI_API_KEY": "none"}


@pytest.fixture
def sample(tmp_path):
    """`leaven sample` of so many questions, started as a process: `sample(url, rows).wait()`."""

    def start(url, rows, out="a.jsonl", **about):
        questions = tmp_path / f"{rows}.jsonl"
        questions.write_text("".join(json.dumps({"question": f"question {n}"}) + "\n" for n in range(rows)))
        line = [sys.executable, "-m", "leaven", "sample", str(questions), "--llm", "openai:m", "--base-url", url,
                "--store", str(tmp_path / "s.db"), "--concurrency", "16", "-o", str(tmp_path / out)]  # fmt: skip
        return subprocess.Popen(line, env=os.environ | ENV, stdout=-1, stderr=-1, text=True, **about)

    return start


def stored(folder):
    """The prompts whose replies are in the store."""
    return {row["messages"][0][1] for row in Store.open(folder / "s.db").export()}


def answers(path):
    rows = [json.loads(line)["messages"] for line in path.read_text(encoding="utf-8").splitlines()]
    return {question["content"]: answer["content"] for question, answer in rows}


def finished(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out + err


@pytest.mark.parametrize("rows", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_with_faults_of_ten_kinds_every_row_is_there_or_listed(leaven, tmp_path, monkeypatch, rows):
    """Three of ten calls break. Replies that were cut are listed too, and the same command asks for no other rows."""
    monkeypatch.setattr(throttle, "Limits", partial(Limits, read_seconds=0.5, backoff_seconds=0.02))
    assert Limits().attempts >= 6
    asked = [f"question {n}" for n in range(rows)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps({"question": text}) + "\n" for text in asked))
    with serving(tmp_path, faults=dict.fromkeys(FAULTS, 0.03), poison="question 77", seed=1) as url:
        command = ("sample", "q.jsonl", "--llm", "openai:m", "--base-url", url, "--store", tmp_path / "s.db",
                   "--no-keep-truncated", "-o", "a.jsonl")  # fmt: skip
        done = leaven(*command)
        there = answers(tmp_path / "a.jsonl")
        listed = [json.loads(line) for line in (tmp_path / "a.jsonl.rejects.jsonl").read_text().splitlines()]
        assert set(asked_of(url, "faults")) == set(FAULTS)
        before = asked_of(url, "seen")
        leaven(*command)
        again = asked_of(url, "seen")[len(before) :]
    assert all(there[text] == f"reply to {text}" for text in there)
    reasons = {row["text"]: row["reason"] for row in listed}
    assert sorted([*there, *reasons]) == sorted(asked)
    assert reasons["question 77"] == "the model failed" and "truncated reply" in reasons.values()
    assert set(again) <= set(reasons), done.err


@pytest.mark.parametrize(("rows", "kills"), [(300, 3), pytest.param(1000, 20, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_same_command_pays_for_nothing_that_is_stored(tmp_path, sample, rows, kills):
    rng, moments = random.Random(0), []
    with serving(tmp_path, latency=0.1, at_once=16) as url:
        for _ in range(kills):
            process = sample(url, rows)
            working(process, tmp_path)
            time.sleep(rng.uniform(0, rows / 160 / kills))
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            time.sleep(0.5)  # the server ends what it had begun
            moments.append((stored(tmp_path), len(asked_of(url, "seen"))))
        finished(sample(url, rows))
        seen = asked_of(url, "seen")
    for kept, place in moments:
        assert not kept & set(seen[place:])
    assert len(seen) <= rows + kills * 64  # the most that is under way: four times the concurrency
    assert answers(tmp_path / "a.jsonl") == {f"question {n}": f"reply to question {n}" for n in range(rows)}


@pytest.mark.slow
def test_two_clients_of_one_store_pay_once_and_one_that_is_killed_holds_nobody_up(tmp_path, sample):
    with serving(tmp_path, latency=0.1, at_once=16) as url:
        first = sample(url, 300)
        working(first, tmp_path)
        second = sample(url, 300, out="b.jsonl")
        time.sleep(1)
        first.kill()
        first.communicate()
        finished(second)
        assert len(asked_of(url, "seen")) <= 300 + 64
    assert answers(tmp_path / "b.jsonl") == {f"question {n}": f"reply to question {n}" for n in range(300)}


@pytest.mark.slow
def test_after_a_reboot_the_claims_of_a_process_id_that_lives_again_are_waited_for_no_longer_than_half_a_minute(
    tmp_path, sample
):
    with serving(tmp_path, latency=0.1, at_once=16) as url:
        process = sample(url, 100)
        working(process, tmp_path)
        process.kill()
        process.communicate()
        database = Store.open(tmp_path / "s.db").database
        assert database.execute("UPDATE owners SET process = ?", (os.getpid(),)).rowcount == 1
        assert database.execute("SELECT COUNT(*) FROM claims").fetchone()[0] > 10
        began = time.monotonic()
        said = finished(sample(url, 100))
        assert time.monotonic() - began > 25
    assert f"replies that process {os.getpid()} on " in said and "no sign of life for 30 s" in said
    assert len(answers(tmp_path / "a.jsonl")) == 100


def test_on_a_full_disk_the_command_stops_with_a_sentence_and_later_asks_for_the_rest(tmp_path, sample):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    with serving(tmp_path, latency=0.05, at_once=16) as url:
        full = sample(url, 400, preexec_fn=little_room)
        _, said = full.communicate(timeout=120)
        assert full.returncode == 2 and "Traceback" not in said
        assert f"Error: the store {tmp_path / 's.db'} can't be written: " in said
        lost = int(re.search(r"(\d+) replies that were answered could not be kept", said)[1])
        kept, seen = stored(tmp_path), asked_of(url, "seen")
        assert 0 < len(kept) < 300 and len(seen) == len(kept) + lost
        finished(sample(url, 400))
        assert not kept & set(asked_of(url, "seen")[len(seen) :])
    assert len(answers(tmp_path / "a.jsonl")) == 400


def working(process, folder):
    """Wait until a command has stored something new, or has ended."""
    before = len(stored(folder))
    while len(stored(folder)) == before and process.poll() is None:
        time.sleep(0.05)
