"""What vLLM is told, by a stand-in for the package, which needs a GPU; test_contract runs the real one where it is."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from transformers import GenerationConfig

from leaven.llm.engines import vllm
from leaven.llm.engines.vllm import VLLM
from leaven.llm.protocol import Sampling
from leaven.llm.store import Store, Stored
from leaven.rows.example import user


@pytest.fixture
def told(monkeypatch):
    """The parameters of every draw that the stand-in was told; like vLLM it refuses a call with a prompt too long."""
    params = []

    class LLM:
        def __init__(self, **options): ...

        def chat(self, prompts, drawn, use_tqdm):
            if any(len(turns[-1]["content"]) > 100 for turns in prompts):
                raise ValueError("The decoder prompt is longer than the maximum model length of 100.")
            params.extend(drawn)
            return [
                SimpleNamespace(
                    outputs=[SimpleNamespace(text=turns[-1]["content"][::-1], finish_reason="stop", token_ids=[1])],
                    prompt_token_ids=[1, 2],
                )
                for turns in prompts
            ]

    package, sampling = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    package.LLM, package.SamplingParams, sampling.StructuredOutputsParams = LLM, SimpleNamespace, SimpleNamespace
    monkeypatch.setitem(sys.modules, "vllm", package)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", sampling)
    return params


@pytest.mark.parametrize(("silent", "bias"), [([7, 9], {7: -100.0, 9: -100.0}), (None, None)])
def test_tokens_that_the_model_may_not_say_are_told_to_vllm(told, tmp_path, silent, bias):
    GenerationConfig(suppress_tokens=silent).save_pretrained(tmp_path)
    ((_, reply),) = VLLM.load(str(tmp_path)).replies([user("is it?")], Sampling())
    assert reply.text == "?ti si" and told[0].logit_bias == bias


def test_a_model_without_a_generation_config_may_say_all(told, tmp_path):
    list(VLLM.load(str(tmp_path)).replies([user("is it?")], Sampling()))
    assert told[0].logit_bias is None


def test_replies_are_stored_chunk_by_chunk_and_a_killed_run_loses_one(told, tmp_path, monkeypatch):
    monkeypatch.setattr(vllm, "CHUNK", 8)
    store = Store.open(tmp_path / "s.db")
    llm, prompts = Stored(VLLM.load(str(tmp_path)), store), [user(f"is it {n}?") for n in range(50)]
    replies = llm.replies(prompts, Sampling())
    assert [next(replies)[0] for _ in range(20)] == list(range(20)) and len(told) == 24
    replies.close()
    assert len(list(store.export())) == 20
    found = dict(llm.replies(prompts, Sampling()))
    assert [found[n].text for n in range(50)] == [f"is it {n}?"[::-1] for n in range(50)]
    assert [drawn.seed for drawn in told] == [*range(24), *range(20, 50)]


def test_a_prompt_that_vllm_refuses_fails_alone(told, tmp_path):
    prompts = [user("why? " * (30 if n == 5 else 1)) for n in range(20)]
    found = dict(VLLM.load(str(tmp_path)).replies(prompts, Sampling()))
    assert found[5].error == "vLLM refuses it: The decoder prompt is longer than the maximum model length of 100."
    assert all(found[n].text == " ?yhw" for n in range(20) if n != 5)
    assert sorted(drawn.seed for drawn in told) == [n for n in range(20) if n != 5]
