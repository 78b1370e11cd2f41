"""The engine against a real server on loopback, in a process of its own."""

import atexit
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from leaven.errors import UserError
from leaven.llm import parse
from leaven.llm.client import OutOfReach
from leaven.llm.engines import openai
from leaven.llm.engines.openai import OpenAI, ServerError
from leaven.llm.protocol import Sampling
from leaven.llm.throttle import Limits
from leaven.rows.example import user

FAULTS = ("429", "429 later", "500", "503", "hang", "reset", "truncated", "no json", "no choices", "length")


@cache
def servers():
    """The process that each server is a fork of; it ends with its input, when the tests do."""
    command = [sys.executable, str(Path(__file__).parent / "server.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)
    return process


@contextmanager
def serving(folder, **plan):
    place = Path(folder) / f"port-{time.monotonic_ns()}"
    print(json.dumps([str(place), plan]), file=servers().stdin, flush=True)
    process = int(servers().stdout.readline())
    try:
        while not place.exists():
            os.kill(process, 0)
            time.sleep(0.005)
        yield f"http://127.0.0.1:{place.read_text()}/v1"
    finally:
        with suppress(ProcessLookupError):
            while True:
                os.kill(process, signal.SIGKILL)
                time.sleep(0.002)


def asked_of(url, what):
    with urllib.request.urlopen(url.removesuffix("/v1") + "/" + what) as answer:
        return json.load(answer)


def questions(n):
    return [user(f"question {number}") for number in range(n)]


def test_every_prompt_is_answered_once_and_as_it_finishes(tmp_path):
    with serving(tmp_path, latency=0.01) as url:
        found = list(OpenAI.open("m", url).replies(questions(200), Sampling()))
        assert sorted(index for index, _ in found) == list(range(200))
        assert all(reply.text == f"reply to question {index}" for index, reply in found)
        assert all(reply.prompt_tokens == 2 and reply.completion_tokens == 4 for _, reply in found)
        assert asked_of(url, "count")["came"] == 200


def test_with_a_third_of_the_calls_broken_no_row_is_lost_and_none_comes_twice(tmp_path):
    rows = 150
    limits = Limits(concurrency=64, read_seconds=0.3, attempts=6, backoff_seconds=0.05)
    with serving(tmp_path, latency=0.005, faults=dict.fromkeys(FAULTS, 0.03), seed=1) as url:
        llm = OpenAI.open("m", url, limits)
        found = list(llm.replies(questions(rows), Sampling()))
    assert sorted(index for index, _ in found) == list(range(rows))
    failed = [reply for _, reply in found if reply.text is None]
    assert len(failed) <= 5  # 0.21 to the power of six, a thousand times at most
    assert all("given up after" in reply.error for reply in failed)
    assert any(reply.truncated for _, reply in found)
    assert any(reply.attempts > 1 for _, reply in found)
    lowest = min(allowed for _, allowed in llm.client.servers.each[0].throttle.history)
    assert lowest < 64


def test_a_poison_row_gives_up_alone(tmp_path):
    with serving(tmp_path, poison="question 7") as url:
        found = dict(OpenAI.open("m", url, Limits(attempts=2)).replies(questions(20), Sampling()))
    assert found[7].text is None and found[7].error == "the server failed (500): broken; given up after 2 calls"
    assert all(found[index].text for index in range(20) if index != 7)


def test_the_concurrency_comes_down_to_what_the_server_bears(tmp_path):
    with serving(tmp_path, latency=0.02, at_once=8, refuse=True) as url:
        llm = OpenAI.open("m", url, Limits(concurrency=32))
        found = dict(llm.replies(questions(300), Sampling()))
    assert all(reply.text for reply in found.values())
    assert llm.client.servers.each[0].throttle.allowed < 32


def test_a_server_that_is_not_there_stops_the_run_with_a_sentence():
    with pytest.raises(ServerError, match="does not answer"):
        list(OpenAI.open("m", "http://127.0.0.1:9/v1").replies(questions(100), Sampling()))


def test_a_server_that_dies_stops_the_run_and_what_was_answered_is_there(tmp_path):
    with serving(tmp_path, latency=0.02) as url:
        limits = Limits(concurrency=4, dead_seconds=0.5)
        replies = OpenAI.open("m", url, limits).replies(questions(400), Sampling())
        found = [next(replies) for _ in range(20)]
    with pytest.raises(OutOfReach, match="does not answer"):  # what is left is open, and the exit code 3
        found += list(replies)
    assert len(found) >= 20


def test_a_wrong_key_stops_at_once_and_the_key_is_nowhere(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-secret")
    with serving(tmp_path, key="right") as url, pytest.raises(ServerError) as caught:
        list(OpenAI.open("m", url).replies(questions(5), Sampling()))
    llm = OpenAI.open("m", url)
    assert "refuses the key (401)" in str(caught.value)
    assert "secret" not in str(caught.value) + repr(llm) + llm.name + caplog.text


def test_a_url_with_a_password_is_refused_without_repeating_it():
    for url in ("http://me:hunter2@host/v1", "http://host/v1?key=hunter2", "ftp://hunter2", "hunter2"):
        with pytest.raises(UserError) as caught:
            OpenAI.open("m", url)
        assert "hunter2" not in str(caught.value)


def test_who_stops_listening_stops_the_calls(tmp_path):
    with serving(tmp_path, held_after=1) as url:
        replies = OpenAI.open("m", url, Limits(concurrency=4)).replies(questions(1000), Sampling())
        next(replies)
        replies.close()
        asked_of(url, "release")  # whoever still listens has the others now, and asks for more
        time.sleep(0.2)
        assert asked_of(url, "count")["came"] <= 1 + 4


def test_prompts_are_taken_as_there_is_room(tmp_path):
    taken = []

    def prompts():
        for prompt in questions(50):
            taken.append(prompt)
            yield prompt

    with serving(tmp_path, latency=0.02) as url:
        replies = OpenAI.open("m", url, Limits(concurrency=4)).replies(prompts(), Sampling())
        next(replies)
        assert len(taken) < 20
        assert len(list(replies)) == 49


def test_caps_a_minute_hold_calls_back(tmp_path):
    with serving(tmp_path) as url:
        replies = OpenAI.open("m", url, Limits(requests_per_minute=5)).replies(questions(9), Sampling())
        assert len([next(replies) for _ in range(5)]) == 5
        time.sleep(0.2)
        assert asked_of(url, "count")["came"] == 5
        replies.close()


class Verdict(BaseModel):
    """What a judge says."""

    score: int
    reason: str


@pytest.mark.parametrize(("schema", "ways"), [(True, 3), (False, 2), (None, 1)])
def test_structured_replies_by_what_the_server_can_do(tmp_path, schema, ways):
    with serving(tmp_path, schema=schema) as url:
        llm = OpenAI.open("m", url)
        found = dict(parse.structured(llm, questions(20), Verdict, Sampling()))
    assert len(llm.dialect.ways) == ways
    assert all((found[index].error, found[index].attempts) == (None, 1) for index in range(20))
    if ways > 1:
        assert [found[index].value.score for index in range(20)] == [len(f"question {n}") % 10 for n in range(20)]


def test_a_prompt_that_is_refused_by_itself_strikes_nothing_off(tmp_path):
    """One long prompt's 400 says nothing of how the server takes schemas."""
    with serving(tmp_path, longest=500) as url:
        llm = OpenAI.open("m", url)
        prompts = [*questions(5), user("long " * 200), *questions(5)]
        replies = dict(parse.structured(llm, prompts, Verdict, Sampling()))
    assert "maximum context length" in replies[5].error
    assert all(replies[index].value is not None for index in range(11) if index != 5)
    assert llm.dialect.ways == ["json_schema", "tool", "plain"]


def test_a_setting_that_the_server_refuses_is_learnt_once_and_left_out(tmp_path, caplog):
    with serving(tmp_path, without=["temperature", "top_p"]) as url:
        llm = OpenAI.open("m", url, Limits(concurrency=4))
        replies = dict(llm.replies(questions(40), Sampling()))
        assert all(reply.text for reply in replies.values())
        assert asked_of(url, "count")["came"] <= 40 + 2 * 4
    assert llm.dialect.left_out == {"temperature", "top_p"}
    assert [record.message for record in caplog.records] == [
        "the server does not take temperature: its own default is used",
        "the server does not take top_p: its own default is used",
    ]


def test_newer_models_have_another_name_for_the_longest_reply(tmp_path):
    with serving(tmp_path, modern=True) as url:
        llm = OpenAI.open("m", url, Limits(concurrency=4))
        found = dict(llm.replies(questions(40), Sampling()))
        assert all(reply.text for reply in found.values())
        assert asked_of(url, "count")["came"] <= 40 + 4  # learnt once, by the calls that were under way
        assert llm.dialect.limit == "max_completion_tokens"


def test_what_is_no_chat_completion_is_said():
    for text in ("", "[]", "{}", '{"choices": []}', '{"choices": [{"message": null}]}', '"x"'):
        assert "no chat completion" in openai.read_completion(text)
    nothing = openai.read_completion('{"choices": [{"message": {"content": null}, "finish_reason": "content_filter"}]}')
    assert nothing.error == "no text (finish_reason content_filter)"
