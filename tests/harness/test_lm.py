"""Our models, asked by the harness, against the harness's own Hugging Face model."""

import pytest

pytest.importorskip("lm_eval")
from lm_eval.api.instance import Instance
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM

from leaven.harness.benchmark import open_benchmark, quiet
from leaven.harness.lm import LeavenLM
from leaven.harness.measure import measure
from leaven.models.load import load
from leaven.runs.progress import stderr

PAIRS = [
    ("the capital of France is", " Paris"),
    ("the capital of France is", " Madrid and more"),
    ("is this claim true? ", "yes"),
    ("", "one two three"),
]


@pytest.fixture(scope="module")
def models(tiny_model):
    loaded = load(tiny_model("qwen3", max_position_embeddings=1024))
    with quiet():
        theirs = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=3, max_length=1024)
    return loaded, LeavenLM(loaded, 16, stderr(), "test"), theirs


def asked(kind, arguments):
    return [Instance(kind, {}, each, place) for place, each in enumerate(arguments)]


def test_likelihoods_are_those_of_the_harness(models):
    _, ours, theirs = models
    requests = asked("loglikelihood", PAIRS)
    for mine, their in zip(
        ours.loglikelihood(requests), theirs.loglikelihood(requests, disable_tqdm=True), strict=True
    ):
        assert mine[0] == pytest.approx(their[0], abs=1e-3) and mine[1] == their[1]


def test_answers_are_those_of_the_harness(models):
    _, ours, theirs = models
    prompts = [ours.apply_chat_template([{"role": "user", "content": text}]) for text, _ in PAIRS[1:3]]
    settings = {"until": ["e"], "max_gen_toks": 16, "do_sample": False, "temperature": 0.0}
    requests = asked("generate_until", [(prompt, settings) for prompt in prompts])
    assert ours.generate_until(requests) == theirs.generate_until(requests, disable_tqdm=True)
    assert not any("e" in answer for answer in ours.generate_until(requests))


@pytest.mark.parametrize("name", ["mmlu", "arc_easy", "truthfulqa"])
def test_every_item_has_the_harnesss_value(models, copies, name):
    loaded, _, theirs = models
    benchmark = open_benchmark(name, str(copies))
    mine = measure(benchmark, loaded, 16, stderr(), "test")
    again = open_benchmark(name, str(copies))
    with quiet():
        found = evaluate(theirs, {"tasks": dict(again.tasks), "groups": {}, "group_map": {}}, bootstrap_iters=0)
    their = {f"{task}/{s['doc_id']}": s["acc"] for task, samples in found["samples"].items() for s in samples}
    assert dict(mine.select("item", "value").iter_rows()) == their
    assert 0 < mine["value"].mean() < 1


def test_an_answer_begins_with_what_a_task_puts_into_its_mouth(models):
    _, ours, _ = models
    turns = [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": "The best is"}]
    whole = ours.apply_chat_template(turns, add_generation_prompt=False)
    assert whole == ours.apply_chat_template(turns[:1]) + "The best is"
