"""What every engine promises, asked of each of them; a newcomer's engine is put into `ENGINES`."""

import importlib.util
import json

import pytest
from pydantic import BaseModel
from tests.llm.test_openai import serving

from leaven.errors import UserError
from leaven.llm.batch import Batched
from leaven.llm.budget import Budgeted, Counted, Spend
from leaven.llm.engines.openai import OpenAI
from leaven.llm.open import open_llm
from leaven.llm.parse import structured
from leaven.llm.protocol import Reply, Sampling
from leaven.llm.store import Store, Stored
from leaven.rows.example import Message, user


class Score(BaseModel):
    score: int


def scripted(request, folder):
    (folder / "s.jsonl").write_text(
        json.dumps({"match": "schema", "reply": '{"score": 3}'}) + "\n" + json.dumps({"reply": "well"})
    )
    return open_llm(f"scripted:{folder / 's.jsonl'}")


def hf(request, folder):
    return open_llm(f"hf:{request.getfixturevalue('tiny_model')('qwen3')}")


def served(request, folder):
    service = serving(folder)
    request.addfinalizer(lambda: service.__exit__(None, None, None))
    return OpenAI.open("m", service.__enter__())


def batched(request, folder):
    return Batched(served(request, folder), Store.open(folder / "batches.db"), every=0.01)


def wrapped(request, folder):
    spend = Spend(max_tokens=10**9)
    return Counted(Stored(Budgeted(served(request, folder), spend), Store.open(folder / "r.db")), spend)


def vllm(request, folder):
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vllm is not installed")
    return open_llm(f"vllm:{request.getfixturevalue('tiny_model')('qwen3')}")


ENGINES = (scripted, hf, served, batched, wrapped, vllm)


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.__name__)
def llm(request, tmp_path):
    return request.param(request, tmp_path)


SHORT = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=8, seed=1)


def test_each_prompt_is_answered_exactly_once(llm):
    prompts = [user(f"Say {number}.") for number in range(7)]
    found = list(llm.replies(prompts, SHORT))
    assert sorted(index for index, _ in found) == list(range(7))
    assert all(isinstance(reply, Reply) and (reply.text is None) == (reply.error is not None) for _, reply in found)


def test_prompts_may_come_one_by_one_and_not_at_all(llm):
    assert sorted(index for index, _ in llm.replies((user(text) for text in "abcdef"), SHORT)) == list(range(6))
    assert list(llm.replies([], SHORT)) == []


def test_odd_texts_and_earlier_turns_come_through(llm):
    turns = (Message("user", "a"), Message("assistant", "b"), Message("user", "{{ x }} \u2028 𝄞 \x00"))
    replies = dict(llm.replies([turns, user(""), user("x" * 90)], SHORT))
    assert sorted(replies) == [0, 1, 2]
    for reply in replies.values():
        (reply.text or "").encode("utf-8")


def test_what_was_counted_is_not_negative_and_a_cut_reply_says_so(llm):
    for _, reply in llm.replies([user("Count to a hundred.")] * 6, SHORT):
        assert reply.prompt_tokens >= 0 and reply.completion_tokens >= 0 and reply.attempts >= 0
        assert reply.truncated == (reply.finish_reason == "length")


def test_a_value_is_a_value_or_a_reason(llm):
    prompts = [user("Give a score.")] * 2
    found = dict(structured(llm, prompts, Score, Sampling(max_new_tokens=16)))
    assert sorted(found) == [0, 1]
    assert all(
        (parsed.value is None) == (parsed.error is not None) and parsed.attempts in (1, 2) for parsed in found.values()
    )


def test_it_has_a_name_and_says_whether_it_takes_a_schema(llm):
    assert ":" in llm.name and isinstance(llm.takes_schema, bool)


def test_an_empty_prompt_is_a_question_of_its_own_or_refused(llm):
    try:
        found = dict(llm.replies([()] * 3, SHORT))
    except UserError as error:
        assert "chat template" in str(error)
    else:
        assert sorted(found) == [0, 1, 2]
