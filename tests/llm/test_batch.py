"""The batch endpoint: one row for one row, also when the client is killed while the batch is pending."""

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import time

import pytest
from tests.llm.test_openai import asked_of, questions, serving

from leaven.errors import UserError
from leaven.llm import batch, batch_endpoint, batch_queue, budget
from leaven.llm.batch import Batched
from leaven.llm.budget import Budgeted, BudgetReached, Price, Spend
from leaven.llm.engines.openai import OpenAI, ServerError
from leaven.llm.engines.scripted import Scripted
from leaven.llm.open import open_with_budget, spending
from leaven.llm.protocol import Sampling
from leaven.llm.settings import LLMSection
from leaven.llm.store import Store, Stored, key
from leaven.rows.example import user

CLIENT = """
import sys
from pathlib import Path
from leaven.llm.batch import Batched
from leaven.llm.engines.openai import OpenAI
from leaven.llm.protocol import Sampling
from leaven.llm.store import Store, Stored
from leaven.rows.example import user
store = Store.open(Path(sys.argv[2]))
llm = Stored(Batched(OpenAI.open("m", sys.argv[1]), store, every=float(sys.argv[3])), store)
print(len(dict(llm.replies([user(f"question {n}") for n in range(20)], Sampling()))), flush=True)
"""


def batched(url, folder, every=0.01):
    store = Store.open(folder / "r.db")
    return Stored(Batched(OpenAI.open("m", url), store, every), store)


def test_every_prompt_gets_its_own_reply_in_one_batch(tmp_path):
    with serving(tmp_path, looks=3) as url:
        found = dict(batched(url, tmp_path).replies(questions(30), Sampling()))
        assert {index: reply.text for index, reply in found.items()} == {n: f"reply to question {n}" for n in range(30)}
        assert asked_of(url, "count") == {"came": 30, "answered": 30, "most": 1, "batches": 1}
        again = dict(batched(url, tmp_path).replies(questions(30), Sampling()))
        assert all(reply.cached for reply in again.values())
        assert asked_of(url, "count")["batches"] == 1


def test_a_notebook_can_ask_too(tmp_path):
    async def cell():
        return dict(batched(url, tmp_path).replies(questions(9), Sampling()))

    with serving(tmp_path) as url:
        assert len(asyncio.run(cell())) == 9


def test_equal_prompts_are_different_draws(tmp_path):
    with serving(tmp_path) as url:
        found = dict(batched(url, tmp_path).replies(questions(1) * 6, Sampling()))
        assert sorted(found) == list(range(6))
        assert asked_of(url, "count")["came"] == 6


def test_what_the_server_refuses_or_loses_is_a_reply_with_the_reason(tmp_path):
    with serving(tmp_path, poison="question 7", faults={"lost": 0.2}, seed=3) as url:
        found = dict(batched(url, tmp_path).replies(questions(20), Sampling()))
    assert found[7].error == "the server refuses it (400): poison"
    lost = [reply for index, reply in found.items() if reply.text is None and index != 7]
    assert lost and all("completed without it" in reply.error for reply in lost)


def test_killed_while_the_batch_is_pending_it_waits_for_the_same_batch(tmp_path):
    with serving(tmp_path, looks=3) as url:
        command = [sys.executable, "-c", CLIENT, url, str(tmp_path / "r.db")]
        first = subprocess.Popen([*command, "60"])
        while not Store.open(tmp_path / "r.db").batches(f"openai:m@{url}"):
            assert first.poll() is None
            time.sleep(0.05)
        first.kill()
        first.wait()
        done = subprocess.run([*command, "0.01"], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == "20"
        assert asked_of(url, "count") == {"came": 20, "answered": 20, "most": 1, "batches": 1}
        assert Store.open(tmp_path / "r.db").batches(f"openai:m@{url}") == {}


@pytest.mark.slow
def test_killed_at_any_moment_no_prompt_goes_into_two_batches(tmp_path):
    """Eight batches of five, each begun for a fifth of a second before the client hears of it."""
    rng, client = random.Random(1), CLIENT.replace("store = ", "batch_queue.MOST = 5\nstore = ", 1)
    with serving(tmp_path, latency=0.2, looks=4) as url:
        command = [sys.executable, "-c", "from leaven.llm import batch_queue\n" + client.replace("20", "40"), url]
        store = Store.open(tmp_path / "r.db")
        for _ in range(8):
            process = subprocess.Popen([*command, str(tmp_path / "r.db"), "0.2"], stdout=subprocess.DEVNULL)
            before = store.batches(f"openai:m@{url}")
            while process.poll() is None and store.batches(f"openai:m@{url}") == before:
                time.sleep(0.01)  # until it writes down what it is about to begin
            time.sleep(rng.uniform(0, 0.3))
            process.kill()
            process.wait()
        subprocess.run([*command, str(tmp_path / "r.db"), "0.01"], timeout=120, check=True)
        endpoint = batch_endpoint.Endpoint.of(OpenAI.open("m", url).client)
        sent = [
            line["custom_id"]
            for number in range(asked_of(url, "count")["batches"])
            for line in endpoint.lines(endpoint.state(f"batch_{number}")["input_file_id"])
        ]
    assert len(sent) == len(set(sent)) >= 40 - 16  # each process may have asked one at once
    assert len(list(Store.open(tmp_path / "r.db").export())) == 40


def test_of_several_servers_the_first_has_all_batches(tmp_path):
    with serving(tmp_path) as first, serving(tmp_path) as second:
        store = Store.open(tmp_path / "r.db")
        engine = Stored(Batched(OpenAI.open("m", [first, second]), store, 0.01), store)
        assert len(dict(engine.replies(questions(30), Sampling()))) == 30
        assert (asked_of(first, "count")["batches"], asked_of(second, "count")["batches"]) == (1, 0)


def test_rows_that_come_later_go_into_a_batch_of_their_own(tmp_path):
    with serving(tmp_path) as url:
        engine = batched(url, tmp_path)
        engine.store.keep_batch(engine.name, "batch_of_others", ["ab" * 16])
        assert len(dict(engine.replies(questions(8), Sampling()))) == 8
        assert asked_of(url, "count")["batches"] == 1
        assert engine.store.batches(engine.name) == {"ab" * 16: "batch_of_others"}
        assert len(dict(engine.replies(questions(16), Sampling()))) == 16
        assert asked_of(url, "count") == {"came": 16, "answered": 16, "most": 1, "batches": 2}
        endpoint = batch_endpoint.Endpoint.of(engine.engine.server.client)
        files = [endpoint.state(f"batch_{number}")["input_file_id"] for number in (0, 1)]
        assert [len(list(endpoint.lines(file))) for file in files] == [7, 8]  # only the first run asks one at once


def test_a_batch_that_the_server_began_unheard_is_found_and_not_begun_again(tmp_path, monkeypatch, caplog):
    """It answers 500 and has begun the batch all the same: 40 prompts are 40 requests."""
    monkeypatch.setattr(batch_endpoint, "WAIT", 0.01)
    with serving(tmp_path, unheard=1) as url:
        replies = dict(batched(url, tmp_path).replies(questions(40), Sampling()))
        assert all(reply.text for reply in replies.values()) and len(replies) == 40
        assert asked_of(url, "count") == {"came": 40, "answered": 40, "most": 1, "batches": 1}
    assert any("was begun, though" in record.message for record in caplog.records)


def test_killed_before_it_knew_the_batch_the_next_process_finds_it(tmp_path):
    """The file is written down before its batch is begun, and stands for it; where none was begun, one is."""
    with serving(tmp_path) as url:
        engine = batched(url, tmp_path)
        endpoint = batch_endpoint.Endpoint.of(engine.engine.server.client)
        keys = [key(engine.name, prompt, Sampling(), 0).hex() for prompt in questions(20)]
        line = {"url": "/v1/chat/completions", "method": "POST"}
        requests = [
            {"custom_id": known, "body": {"model": "m", "messages": [{"role": "user", "content": f"question {n}"}]}}
            for n, known in enumerate(keys)
        ]
        halves = ["".join(json.dumps(line | request) + "\n" for request in requests[part::2]) for part in (0, 1)]
        begun, not_begun = (endpoint.upload(half.encode()) for half in halves)
        engine.store.keep_batch(engine.name, f"file:{begun}", keys[0::2])
        engine.store.keep_batch(engine.name, f"file:{not_begun}", keys[1::2])
        endpoint.begin(begun)
        for other in range(5):  # so that it is not on the first page of the list
            endpoint.begin(endpoint.upload(json.dumps(line | requests[other]).encode()))
        assert len(dict(engine.replies(questions(20), Sampling()))) == 20
        assert asked_of(url, "count") == {"came": 20, "answered": 20, "most": 1, "batches": 7}
        assert engine.store.batches(engine.name) == {}


def test_a_line_ends_at_a_line_feed_and_nowhere_else(tmp_path):
    odd = [user(f"{n} one\u2028two\u2029three\x85four\x0bfive\x0csix\x1cseven\x1eeight") for n in range(40)]
    with serving(tmp_path) as url:
        replies = dict(batched(url, tmp_path).replies(odd, Sampling()))
    assert [replies[n].text for n in range(40)] == [f"reply to {prompt[0].content}" for prompt in odd]


@pytest.mark.parametrize(
    ("plan", "schema"),
    [({"modern": True}, False), ({"without": ["temperature", "top_p"]}, False), ({"schema": False}, True),
     ({"schema": None, "modern": True}, True)],
)  # fmt: skip
def test_what_the_model_does_not_take_is_learnt_by_one_prompt_and_not_by_a_batch(tmp_path, plan, schema):
    sampling = Sampling(schema='{"type": "object"}' if schema else "")
    with serving(tmp_path, **plan) as url:
        replies = dict(batched(url, tmp_path).replies(questions(40), sampling))
        assert [reply.error for reply in replies.values()] == [None] * 40
        count = asked_of(url, "count")
        assert (count["answered"], count["batches"]) == (40, 1) and count["came"] <= 43


def test_a_first_prompt_that_is_refused_for_itself_is_not_the_last_word(tmp_path):
    with serving(tmp_path, modern=True, longest=100) as url:
        replies = dict(batched(url, tmp_path).replies([user("long " * 50), *questions(30)], Sampling()))
    assert "maximum context length" in replies[0].error
    assert all(replies[n].text for n in range(1, 31))


def test_a_queue_that_is_full_is_waited_for(tmp_path, caplog):
    """The server takes 30 words at a time, and 80 are asked: batches shrink until one fits, and follow each other."""
    with serving(tmp_path, enqueued=30) as url:
        replies = dict(batched(url, tmp_path).replies(questions(40), Sampling()))
        assert [replies[n].text for n in range(40)] == [f"reply to question {n}" for n in range(40)]
        assert asked_of(url, "count")["came"] == 40
    (said,) = [record.message for record in caplog.records]
    assert "no room for another batch now, 39 requests wait" in said and "Enqueued token limit" in said


def test_room_that_others_take_is_waited_for_and_batches_stay_as_large_as_they_are(tmp_path, monkeypatch):
    with serving(tmp_path, enqueued=10_000, looks=10) as url:
        engine = batched(url, tmp_path)
        endpoint = batch_endpoint.Endpoint.of(engine.engine.server.client)
        others = {"custom_id": "x", "body": {"messages": [{"role": "user", "content": "word " * 9_990}]}}
        theirs = endpoint.begin(endpoint.upload(json.dumps(others).encode()))
        sizes, upload = [], batch_endpoint.Endpoint.upload

        def counted(endpoint, lines):
            sizes.append(lines.count(b"\n"))
            return upload(endpoint, lines)

        monkeypatch.setattr(batch_endpoint.Endpoint, "upload", counted)
        with monkeypatch.context() as patch:  # the server's end sleeps as well
            patch.setattr(batch_queue.time, "sleep", lambda seconds: endpoint.state(theirs))  # theirs goes on
            assert len(dict(engine.replies(questions(40), Sampling()))) == 40
        assert len(sizes) > 1 and set(sizes) == {39}


@pytest.mark.parametrize(("limits", "batches"), [({"MOST": 10}, 4), ({"BYTES": 2_400}, 4)])
def test_a_batch_is_no_larger_than_servers_take(tmp_path, monkeypatch, limits, batches):
    for name, value in limits.items():
        monkeypatch.setattr(batch_queue, name, value)
    with serving(tmp_path) as url:
        assert len(dict(batched(url, tmp_path).replies(questions(38), Sampling()))) == 38
        assert asked_of(url, "count")["batches"] == batches


def test_a_file_that_is_too_large_goes_up_in_halves(tmp_path):
    with serving(tmp_path, file_bytes=3_000) as url:
        replies = dict(batched(url, tmp_path).replies(questions(41), Sampling()))
        assert [replies[n].text for n in range(41)] == [f"reply to question {n}" for n in range(41)]
        assert asked_of(url, "count") == {"came": 41, "answered": 41, "most": 1, "batches": 4}


def test_replies_that_could_not_be_stored_stay_at_the_server_and_are_not_paid_again(tmp_path, monkeypatch):
    with serving(tmp_path) as url:
        engine = batched(url, tmp_path)
        put, room = Store.put, [10]

        def until_full(store, *about):
            room[0] -= 1
            if room[0] < 0:
                store.failures.append(sqlite3.OperationalError("database or disk is full"))
            return put(store, *about) if room[0] >= 0 else False

        with monkeypatch.context() as here:
            here.setattr(Store, "put", until_full)
            with pytest.raises(UserError, match="30 replies that were answered could not be kept"):
                dict(engine.replies(questions(40), Sampling()))
        assert len(engine.store.batches(engine.name)) == 30
        assert len(dict(engine.replies(questions(40), Sampling()))) == 40
        assert asked_of(url, "count") == {"came": 40, "answered": 40, "most": 1, "batches": 1}


def test_few_prompts_are_asked_at_once(tmp_path):
    with serving(tmp_path) as url:
        assert len(dict(batched(url, tmp_path).replies(questions(batch.FEW), Sampling()))) == batch.FEW == budget.PILOT
        assert asked_of(url, "count")["batches"] == 0


def test_a_server_without_batches_is_said_so_and_keeps_the_key_to_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234")
    with serving(tmp_path, looks=0) as url, pytest.raises(ServerError, match="does not serve batches") as caught:
        dict(batched(url, tmp_path).replies(questions(9), Sampling()))
    assert "sk-secret" not in str(caught.value)


def test_a_batch_that_the_server_has_no_more_is_said_and_its_prompts_can_be_asked_at_once(tmp_path):
    with serving(tmp_path) as url:
        llm, store = OpenAI.open("m", url), Store.open(tmp_path / "r.db")
        store.keep_batch(llm.name, "batch_7", [key(llm.name, one, Sampling(), 0).hex() for one in questions(9)])
        for _ in range(2):
            with pytest.raises(
                ServerError, match=r"earlier by a batch: .*No batch of this id.*\n.*Without --batch it is"
            ):
                dict(batched(url, tmp_path).replies(questions(9), Sampling()))
        assert len(dict(Stored(llm, store).replies(questions(9), Sampling()))) == 9
        assert all(reply.cached for reply in dict(batched(url, tmp_path).replies(questions(9), Sampling())).values())
        assert asked_of(url, "count")["batches"] == 0


def test_batches_need_a_server_and_a_store(tmp_path):
    with pytest.raises(UserError, match="needs a server"):
        batch.of(Scripted(lambda prompt, draw: "x"), Store.open(tmp_path / "r.db"))
    with pytest.raises(UserError, match="needs a store"):
        batch.of(OpenAI.open("m", "http://127.0.0.1:9/v1"), None)


def test_the_recipe_turns_batches_on(tmp_path):
    with serving(tmp_path) as url:
        section = LLMSection(engine="openai:m", base_url=url, store=str(tmp_path / "r.db"), batch=True)
        llm, spend = open_with_budget(section)
        object.__setattr__(llm.engine.engine.engine, "every", 0.01)
        assert len(dict(llm.replies(questions(9), Sampling()))) == 9
        assert (spend.requests, asked_of(url, "count")["batches"]) == (9, 1)


def test_a_budget_that_ends_the_prompts_ends_them_in_a_batch_too(tmp_path):
    with serving(tmp_path) as url:
        store = Store.open(tmp_path / "r.db")
        spend = Spend(max_requests=12)
        llm = Stored(Budgeted(Batched(OpenAI.open("m", url), store, 0.01), spend), store)
        with pytest.raises(BudgetReached):
            dict(llm.replies(questions(40), Sampling()))
        assert asked_of(url, "count")["came"] == spend.requests == 12


@pytest.mark.parametrize(
    ("share", "dollars", "said"),
    [(", batch: 0.5", 30, "prices of 2026-01-31, batches at 50% of them"),
     ("", 54, "list prices of 2026-01-31, as the table has none of batches")],
)  # fmt: skip
def test_what_came_by_a_batch_costs_what_the_table_says_of_batches(tmp_path, share, dollars, said):
    table = tmp_path / "prices.yaml"
    table.write_text(f"{{date: 2026-01-31, models: {{m: {{prompt: 1e6, completion: 1e6{share}}}}}}}")
    with serving(tmp_path) as url:
        section = LLMSection(engine="openai:m", base_url=url, store="off", prices=str(table), batch=True)
        spend = spending(section)
        store = Store.open(tmp_path / "r.db")
        llm = Stored(Budgeted(Batched(OpenAI.open("m", url), store, 0.01), spend), store)
        dict(llm.replies(questions(9), Sampling()))  # two tokens in, four out: one call at once, the others by a batch
        assert spend.cost == pytest.approx(dollars)
        assert f"${dollars:.4f} by {said}" in spend.sentence()
        assert spend.rate.of(1, 0) == (0.5 if share else 1)
    ours = budget.price("gpt-4o")
    assert (ours.of_batches().completion, ours.sentence(batch=False)) == (5, f"prices of {ours.date}")


def test_a_limit_on_money_lets_as_many_prompts_into_a_batch_as_their_price_allows(tmp_path):
    with serving(tmp_path) as url:
        store, spend = Store.open(tmp_path / "r.db"), Spend(Price(1e6, 1e6, "today", 0.5), max_cost=60, batch=True)
        llm = Stored(Budgeted(Batched(OpenAI.open("m", url), store, 0.01), spend), store)
        with pytest.raises(BudgetReached):
            dict(llm.replies(questions(40), Sampling()))
        assert (spend.requests, spend.cost) == (16, pytest.approx(60))  # four at once for $6 each, twelve by a batch
