"""The batch endpoint: one row for one row, also when the client is killed while the batch is pending."""

import subprocess
import sys
import time

import pytest
from tests.llm.test_openai import asked_of, questions, serving

from leaven.errors import UserError
from leaven.llm import batch, budget
from leaven.llm.batch import Batched
from leaven.llm.engines.openai import OpenAI, ServerError
from leaven.llm.engines.scripted import Scripted
from leaven.llm.open import open_with_budget
from leaven.llm.protocol import Sampling
from leaven.llm.settings import LLMSection
from leaven.llm.store import Store, Stored

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
        assert asked_of(url, "count") == {"came": 30, "answered": 30, "most": 0, "batches": 1}
        again = dict(batched(url, tmp_path).replies(questions(30), Sampling()))
        assert all(reply.cached for reply in again.values())
        assert asked_of(url, "count")["batches"] == 1


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
        assert asked_of(url, "count") == {"came": 20, "answered": 20, "most": 0, "batches": 1}
        assert Store.open(tmp_path / "r.db").batches(f"openai:m@{url}") == {}


def test_rows_that_come_later_go_into_a_batch_of_their_own(tmp_path):
    with serving(tmp_path) as url:
        engine = batched(url, tmp_path)
        known = engine.engine
        batch_name = known._send([("ab" * 16, questions(1)[0])], Sampling())
        engine.store.keep_batch(known.name, batch_name, ["ab" * 16])
        assert len(dict(engine.replies(questions(8), Sampling()))) == 8
        assert asked_of(url, "count")["batches"] == 2
        assert engine.store.batches(known.name) == {"ab" * 16: batch_name}


def test_few_prompts_are_asked_at_once(tmp_path):
    with serving(tmp_path) as url:
        assert len(dict(batched(url, tmp_path).replies(questions(batch.FEW), Sampling()))) == batch.FEW == budget.PILOT
        assert asked_of(url, "count")["batches"] == 0


def test_a_server_without_batches_is_said_so_and_keeps_the_key_to_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234")
    with serving(tmp_path) as url, pytest.raises(ServerError, match="does not serve batches") as caught:
        dict(batched(url + "/other", tmp_path).replies(questions(9), Sampling()))
    assert "sk-secret" not in str(caught.value)


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
