import math

import pytest
import torch
from scipy import stats

from leaven.models.load import load
from leaven.models.template import encode, render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.study.probes import divergence, token_loss
from leaven.task.format import open_format
from leaven.task.task import Task
from leaven.task.test import Test

ROW = pair("is this claim true?", '{"a": 1}', Origin("x"))
OTHER = Test("general", Dataset.of([pair("x", "y", Origin("x"))]), "general")
OWN = Test("unseen_phrasing", Dataset.of([ROW]), "format")
TASK = Task(Dataset.of([]), (OWN, OTHER), Dataset.of([]), open_format("json"))
NOTHING = Task(Dataset.of([]), (), Dataset.of([]), open_format("json"))


@pytest.fixture(scope="module")
def loaded(tiny_model):
    return load(tiny_model("qwen3"))


def test_the_loss_is_that_of_a_slow_computation(loaded):
    found = {m.metric: m.value for m in token_loss.measure(loaded, TASK)}
    question = encode(loaded.tokenizer, render(loaded.tokenizer, ROW.prompt, True))
    answer = encode(loaded.tokenizer, '{"a": 1}<|im_end|>')
    values, said = [], list(question)
    for token in answer:
        with torch.no_grad():
            logits = loaded.model(torch.tensor([said])).logits[0, -1]
        values.append(-float(torch.log_softmax(logits.double(), -1)[token]))
        said.append(token)
    marked = [v for v, t in zip(values, answer, strict=True) if set(loaded.tokenizer.decode([t])) & set("{}[]\"':,")]
    assert found["answer"] == pytest.approx(sum(values) / len(values), rel=1e-4)
    assert found["first"] == pytest.approx(values[0], rel=1e-4)
    assert 0 < len(marked) < len(values) and found["important"] == pytest.approx(sum(marked) / len(marked), rel=1e-4)


def test_without_a_test_of_the_task_there_is_nothing_to_measure(loaded):
    assert not list(token_loss.measure(loaded, NOTHING))
    assert not list(divergence.measure(loaded, NOTHING))


def test_a_distribution_is_measured_as_by_hand():
    found = divergence.of(torch.tensor([0.5, 0.25, 0.15, 0.1, 0.0], dtype=torch.float64))
    assert found["entropy"] == pytest.approx(stats.entropy([0.5, 0.25, 0.15, 0.1]))
    assert found["choices"] == pytest.approx(math.exp(found["entropy"]))
    assert (found["nucleus_90"], found["nucleus_95"], found["likely"]) == (3, 4, 4)
    sure = divergence.of(torch.tensor([1.0, 0.0]).double())
    assert sure == {"entropy": 0, "choices": 1, "nucleus_90": 1, "nucleus_95": 1, "likely": 1}


def test_the_start_of_the_format_has_the_share_of_all_tokens_that_begin_it(loaded):
    found = {m.metric: m.value for m in divergence.measure(loaded, TASK)}
    shares = divergence.first(loaded, ROW.prompt)
    vocabulary = range(len(loaded.tokenizer))
    slow = sum(float(shares[i]) for i in vocabulary if loaded.tokenizer.decode([i]).strip().startswith("{"))
    assert 0 < slow < 1 and found["start"] == pytest.approx(slow)
