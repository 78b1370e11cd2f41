"""What vLLM is told, by a stand-in for the package, which needs a GPU; test_contract runs the real one where it is."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from transformers import GenerationConfig

from leaven.llm.engines.vllm import VLLM
from leaven.llm.protocol import Sampling
from leaven.rows.example import user


@pytest.fixture
def told(monkeypatch):
    """The parameters of every draw that the stand-in was told."""
    params = []

    class LLM:
        def __init__(self, **options): ...

        def chat(self, prompts, drawn, use_tqdm):
            params.extend(drawn)
            output = SimpleNamespace(text="yes", finish_reason="stop", token_ids=[1])
            return [SimpleNamespace(outputs=[output], prompt_token_ids=[1, 2]) for _ in prompts]

    package, sampling = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    package.LLM, package.SamplingParams, sampling.StructuredOutputsParams = LLM, SimpleNamespace, SimpleNamespace
    monkeypatch.setitem(sys.modules, "vllm", package)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", sampling)
    return params


@pytest.mark.parametrize(("silent", "bias"), [([7, 9], {7: -100.0, 9: -100.0}), (None, None)])
def test_tokens_that_the_model_may_not_say_are_told_to_vllm(told, tmp_path, silent, bias):
    GenerationConfig(suppress_tokens=silent).save_pretrained(tmp_path)
    ((_, reply),) = VLLM.load(str(tmp_path)).replies([user("is it?")], Sampling())
    assert reply.text == "yes" and told[0].logit_bias == bias


def test_a_model_without_a_generation_config_may_say_all(told, tmp_path):
    list(VLLM.load(str(tmp_path)).replies([user("is it?")], Sampling()))
    assert told[0].logit_bias is None
