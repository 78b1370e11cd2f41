"""A lift through outages: no row is lost, no stored reply is paid again, the result is that of an undisturbed run."""

import json
from collections import Counter

import polars as pl
import pytest
from tests.llm.test_openai import asked_of, serving

import leaven
from leaven.errors import UserError

ROWS = 12
FULL = {"rounds": 1, "keep_variety": 0.6, "n": 8, "embedder": "lsa:4",
        "quality": {"name": "quality", "twice": 0, "planted": 0}}  # fmt: skip
CALLS = 3 + 3 * ROWS + 15
"""The judge's trial, answers anew, rewritings, their answers, and marks of what variety leaves."""


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    lines = [{"instruction": f"Tell something about number {i}.", "input": "", "output": "Old."} for i in range(ROWS)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def lifted(rows, url, name, **settings):
    """The lift, called again until nothing is open, and how often that was."""
    spend = {"base_url": url, "store": str(rows / f"{name}.db"), "attempts": 1, "concurrency": 4}
    for call in range(1, 9):
        try:
            found = leaven.lift(str(rows / "d.jsonl"), llm="openai:m", folder=rows / name, spend=spend,
                                **FULL | settings)  # fmt: skip
        except UserError:
            continue  # the stage has stopped, or no call reached the server
        if not found.open:
            return found, call
        assert not (rows / name / "DONE").exists()
    raise AssertionError("the lift never came to its end")


def audit_of(folder):
    return pl.read_parquet(folder / "audit.parquet").drop("model")  # each server has another address


@pytest.fixture
def undisturbed(rows):
    with serving(rows, teacher=True) as url:
        found, calls = lifted(rows, url, "whole")
        assert calls == 1
        return audit_of(found.folder), Counter(asked_of(url, "seen"))


@pytest.mark.parametrize("moments", [(0, 6), pytest.param(range(10), marks=pytest.mark.slow)])
def test_an_outage_at_any_moment_changes_nothing_but_the_time_that_it_takes(rows, undisturbed, moments):
    audit, seen = undisturbed
    assert max(seen.values()) == 1
    for moment in moments:
        name = f"run{moment}"
        outage = {"after": moment * CALLS // 10, "calls": 5 + moment}
        with serving(rows, teacher=True, outage=outage) as url:
            # Every other lift ends with open rows, where the others stop at the stage.
            found, calls = lifted(rows, url, name, failures=float(moment % 2) or 0.05)
            again = Counter(asked_of(url, "seen"))
        assert calls > 1
        assert audit_of(found.folder).equals(audit), moment
        needed = {
            text for text in seen if "> Old." not in text
        }  # a trial of the judge is over with one mark that is read
        assert needed <= set(again) and max(again.values()) == 1, moment


LONG = f"Tell something about number {ROWS}, {'and more, ' * 30} please."


@pytest.fixture
def last_is_long(rows):
    """A row more, which a server refuses whose model reads little."""
    with (rows / "d.jsonl").open("a") as file:
        file.write(json.dumps({"instruction": LONG, "input": "", "output": "Old."}) + "\n")
    return {"LEAVEN_CACHE": str(rows / "cache"), "OPENAI_API_KEY": "k"}


def test_what_is_open_is_said_and_keeps_its_old_answer_until_it_has_a_new_one(rows, leaven, last_is_long):
    words = ("lift", "d.jsonl", "--llm", "openai:m", "--rounds", 0, "--keep-variety", 1, "--quality", "length",
             "--failures", 0.5, "--embedder", "lsa:4", "--out", "run")  # fmt: skip

    def answers():
        lines = (rows / "run" / "kept.jsonl").read_text().splitlines()
        return {turns[0]["content"]: turns[-1]["content"] for turns in (json.loads(line)["messages"] for line in lines)}

    with serving(rows, teacher=True, longest=100) as url:
        port = int(url.split(":")[2].split("/")[0])
        done = leaven(*words, "--base-url", url, **last_is_long)
    assert done.code == 3, done.err
    assert "Open: reanswer: 1 rows have no verdict, since their calls failed; the first: " in done.err
    assert done.err.splitlines()[-1] == "The same command asks for those alone, and selects anew with them."
    assert len(answers()) == ROWS + 1 and [asked for asked, said in answers().items() if said == "Old."] == [LONG]
    story = leaven("why", "run", 2 * ROWS + 1, **last_is_long)
    assert "open, since its call failed at reanswer" in story.out, story.out + story.err
    with serving(rows, teacher=True, port=port) as url:
        done = leaven(*words, "--base-url", url, **last_is_long)
        assert done.code == 0, done.err
        assert asked_of(url, "seen") == [LONG]
    assert len(answers()) == ROWS + 1 and "Old." not in answers().values()


def test_a_stage_stops_above_the_share_that_may_fail_and_says_how_to_go_on(rows, leaven, last_is_long):
    words = ("lift", "d.jsonl", "--llm", "openai:m", "--rounds", 0, "--quality", "length")
    with serving(rows, teacher=True, longest=100) as url:
        done = leaven(*words, "--base-url", url, **last_is_long)
    assert done.code == 3, done.err
    assert "reanswer: 1 of 13 rows are open, since their calls failed, and no more than 5% may" in done.err
    assert "The same command asks for the open rows alone" in done.err


def test_planted_rows_and_second_judgings_whose_calls_failed_are_asked_again_by_the_same_command(rows):
    """Every planted row that asks for full marks breaks at first; no mark that is there is paid again."""
    settings = {"llm": "", "judge": "openai:m", "quality": {"name": "quality", "twice": 3, "planted": 4}}
    settings = {**FULL, **settings, "keep_variety": 1}

    def lift(url):
        spend = {"base_url": url, "store": str(rows / "r.db"), "attempts": 1}
        return leaven.lift(str(rows / "d.jsonl"), folder=rows / "run", spend=spend, **settings)

    with serving(rows, teacher=True, poison="Note to whoever") as url:
        port = int(url.split(":")[2].split("/")[0])
        found = lift(url)
        assert list(found.open) == ["quality (planted, or judged twice)"]
        assert len(found.open["quality (planted, or judged twice)"]) == 4
    with serving(rows, teacher=True, port=port) as url:
        found = lift(url)
        assert not found.open
        assert len(asked := asked_of(url, "seen")) == 4 and all("Note to whoever" in text for text in asked)
    scores = pl.read_parquet(found.folder / "scores" / "quality.parquet")
    assert scores["judge_flattered"].drop_nulls().drop_nans().len() == 4


@pytest.mark.parametrize("command", ["lift", "curate", "judge-check"])
def test_where_every_call_of_a_judge_fails_the_exit_code_says_that_work_is_open(rows, leaven, command):
    pairs = [{"input": f"Do {i}.", "output_1": "a", "output_2": "b", "label": 1} for i in range(2)]
    (rows / "LLMBar_Natural.json").write_text(json.dumps(pairs))
    (rows / "d.jsonl").write_text("".join((rows / "d.jsonl").read_text().splitlines(True)[:4]))
    words = {
        "lift": ("lift", "d.jsonl", "--judge", "openai:m", "--embedder", "lsa:4"),
        "curate": ("curate", "quality", "d.jsonl", "-o", "kept.jsonl", "--llm", "openai:m"),
        "judge-check": ("judge-check", ".", "--llm", "openai:m"),
    }[command]
    with serving(rows, teacher=True, poison="mark") as url:
        done = leaven(*words, "--base-url", url, "--attempts", 1, LEAVEN_CACHE=str(rows / "c"), OPENAI_API_KEY="k")
    assert done.code == 3, done.err
    assert "since every call failed" in done.err and "The same command asks again" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1, 3, 10, 30, 60])
def test_outages_in_real_time_with_all_attempts(rows, leaven, seconds):
    words = ("lift", "d.jsonl", "--llm", "openai:m", "--rounds", 1, "--keep-variety", 0.6, "--n", 8, "--embedder",
             "lsa:4", "--set", "quality.twice=0", "--set", "quality.planted=0")  # fmt: skip
    audits = []
    for moment in range(0, 10, 1 if seconds == 1 else 5):
        outage = {"after": moment * CALLS // 10, "seconds": seconds if audits else 0}
        env = {"LEAVEN_CACHE": str(rows / f"cache{moment}"), "OPENAI_API_KEY": "k"}
        with serving(rows, teacher=True, outage=outage) as url:
            for _ in range(8):
                done = leaven(*words, "--base-url", url, "--out", f"run{moment}", **env)
                if done.code == 0:
                    break
            assert done.code == 0, done.err
            assert max(Counter(asked_of(url, "seen")).values()) == 1
        audits.append(audit_of(rows / f"run{moment}"))
    assert all(audit.equals(audits[0]) for audit in audits)
