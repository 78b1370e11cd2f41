"""Engines that a command opens one after another share one budget."""

import json
import logging

import pytest
from tests.llm.test_openai import asked_of, serving

from leaven.cli import engine
from leaven.errors import UserError
from leaven.llm.protocol import Sampling
from leaven.rows.example import user


def test_limits_hold_for_all_engines_of_a_command_together(tmp_path, capsys):
    (tmp_path / "s.jsonl").write_text(json.dumps({"reply": "two words"}) + "\n")
    spec = f"scripted:{tmp_path / 's.jsonl'}"
    given = {"max_requests": 10, "store": "off"}
    opened = engine.opener(tmp_path / "log", given)
    for what, asked, answered in (("first", 6, 6), ("second", 6, 4)):
        found = []
        try:
            with opened(spec, what) as llm:
                found.extend(llm.replies([user(f"{what} {n}") for n in range(asked)], Sampling()))
        except UserError as error:
            assert "max_requests" in str(error)
        assert len(found) == answered
    with pytest.raises(UserError, match="used up before third: --max-requests 10"), opened(spec, "third"):
        pass
    assert "Spent 6 calls" in capsys.readouterr().err
    assert "Spent 4 calls" in (tmp_path / "log").read_text()


def test_a_log_that_is_closed_leaves_the_level_as_it_was(tmp_path, caplog):
    (tmp_path / "s.jsonl").write_text(json.dumps({"reply": "two words"}) + "\n")
    logger = logging.getLogger("leaven.llm")
    caplog.set_level(logging.WARNING, logger.name)
    handlers = list(logger.handlers)
    given = {"store": "off"}
    with engine.opener(tmp_path / "log", given)(f"scripted:{tmp_path / 's.jsonl'}", "first"):
        assert logger.level == logging.INFO
    assert (logger.level, logger.handlers) == (logging.WARNING, handlers)


def test_every_setting_of_the_engine_has_a_flag_in_every_command_that_asks_one(leaven):
    for command in ("sample", "diversify", "lift", "delia", ("curate", "quality")):
        words = (command,) if isinstance(command, str) else command
        shown = leaven(*words, "--help-all" if command == "delia" else "--help", COLUMNS="200").out
        for flag in engine.FLAGS:
            assert f"--{flag.replace('_', '-')}" in shown, (command, flag)


def test_a_setting_that_cannot_be_is_named_by_its_flag(leaven, tmp_path):
    (tmp_path / "q.jsonl").write_text('{"question": "a"}\n')
    done = leaven("sample", "q.jsonl", "--llm", "scripted:s.jsonl", "--requests-per-minute", 0, "-o", "o.jsonl")
    assert done.code == 2
    assert "--requests-per-minute is 0" in done.err


@pytest.mark.parametrize("command", [("sample",), ("diversify",)])
def test_a_row_that_can_not_be_written_is_said_before_an_engine_is_asked(leaven, tmp_path, command):
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": "Why?", "answer": "So.", "messages": 3}) + "\n")
    done = leaven(*command, "q.jsonl", "--format", "question/answer", "--llm", "scripted:none.jsonl", "-o", "o.jsonl")
    assert done.code == 2 and "q.jsonl:1 has a field 'messages' of its own" in done.err


def test_the_end_says_what_each_server_was_asked_what_failed_and_what_was_left_out(leaven, tmp_path):
    lines = "".join(json.dumps({"question": f"question {n}"}) + "\n" for n in range(12))
    (tmp_path / "q.jsonl").write_text(lines)
    plan = {"without": ["temperature"], "poison": "question 7", "latency": 0.01}
    with serving(tmp_path, **plan) as first, serving(tmp_path, **plan) as second:
        words = ("--base-url", first, "--base-url", second, "--attempts", 2, "--store", "off", "--concurrency", 2)
        done = leaven("sample", "q.jsonl", "--llm", "openai:m", *words, "-o", "o.jsonl")
    assert "(1 failed: the server failed (500) 1)" in done.err
    assert f"{first}: " in done.err and f"{second}: " in done.err and "requests over" in done.err
    log = (tmp_path / "o.jsonl.log").read_text()
    assert log.count("the server does not take temperature: its own default is used") == 1
    assert "requests over" in log


def test_what_is_learnt_about_a_server_is_learnt_once_for_all_that_a_command_asks(tmp_path, capsys):
    with serving(tmp_path, without=["top_p"]) as url:
        opened = engine.opener(tmp_path / "log", {"base_url": [url], "store": "off", "concurrency": 1})
        for what in ("first", "second"):
            with opened("openai:m", what) as llm:
                assert len(list(llm.replies([user(f"question {n}") for n in range(5)], Sampling()))) == 5
        assert asked_of(url, "count")["came"] == 11
    ends = [line.split(" over")[0] for line in capsys.readouterr().err.splitlines() if url in line]
    assert ends == [f"first: {url}: 6 requests", f"second: {url}: 5 requests"]


def test_what_was_spent_is_said_once_where_an_engine_stops_too(tmp_path, capsys):
    (tmp_path / "s.jsonl").write_text(json.dumps({"reply": "two words"}) + "\n")
    opened = engine.opener(tmp_path / "log", {"max_requests": 2, "store": "off"})
    with pytest.raises(ZeroDivisionError), opened(f"scripted:{tmp_path / 's.jsonl'}", "evolve") as llm:
        list(llm.replies([user("Why?")], Sampling()))
        raise ZeroDivisionError
    assert capsys.readouterr().err.startswith("evolve: Spent 1 calls")
    with pytest.raises(UserError, match=r"used up: max_requests 1\. Spent 1 calls"):
        with opened(f"scripted:{tmp_path / 's.jsonl'}", "quality") as llm:
            list(llm.replies([user("Why?"), user("How?")], Sampling()))
    assert "Spent" not in capsys.readouterr().err
