"""Sketches against whole gradients, and the theorem on the lab's model: own answers at temperature 1 cancel exactly."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from leaven.delia.makers import self_sample
from leaven.llm.engines.hf import HF
from leaven.models import answer, mask
from leaven.models.load import load
from leaven.models.names import LAB
from leaven.models.settings import SampleSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.study import gradients

ROWS = Dataset.of(pair(q, a, Origin("x")) for q, a in [("one two", "three"), ("is it?", "yes or no"), ("a", "b c d")])


@pytest.fixture(scope="module")
def lab():
    return load(str(LAB))


def test_inner_products_of_sketches_are_near_those_of_whole_gradients(tiny_model):
    loaded = load(tiny_model("llama"))
    found = gradients.gradients(loaded, ROWS, size=8_192)
    weights = [w for n, w in loaded.model.named_parameters() if any(f"{m}.weight" in n for m in gradients.MODULES)]
    whole = []
    for row in ROWS:
        encoded = mask.encode(loaded.tokenizer, row)
        ids = torch.tensor([encoded.input_ids])
        logs = torch.log_softmax(loaded.model(ids).logits[0], -1)
        trained = [i for i, on in enumerate(encoded.completion_mask) if on]
        loss = -sum(logs[i - 1, encoded.input_ids[i]] for i in trained)
        whole.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)]))
    exact = torch.stack(whole).double() @ torch.stack(whole).double().T
    scale = exact.diag().sqrt()
    assert torch.allclose((found @ found.T) / (scale[:, None] * scale), exact / (scale[:, None] * scale), atol=0.06)


def test_cancellation_and_excess_by_hand():
    alike = torch.ones(10, 4)
    assert gradients.cancellation(alike, 5) == pytest.approx((1, 5**-0.5))
    assert gradients.excess(alike, ["q"] * 10) == pytest.approx(10)
    opposite = torch.tensor([[1.0, 0], [-3.0, 0]])
    assert gradients.cancellation(opposite, 2) == pytest.approx((2 / 4, 10**0.5 / 4))
    assert gradients.excess(torch.tensor([[1.0, 0], [-1.0, 0]]), ["q", "q"]) == 0
    noise = torch.randn(400, 300, generator=torch.Generator().manual_seed(0))
    assert gradients.excess(noise, [str(i // 8) for i in range(400)]) == pytest.approx(1, abs=0.05)


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([0.5, 1.0, 2.0, 3.0]), st.sampled_from([10, 50, 150]))
def test_independent_directions_measure_their_null_however_heavy_the_tails_of_their_norms(seed, spread, n):
    generator = torch.Generator().manual_seed(seed)
    directions = functional.normalize(torch.randn(150, 1_024, generator=generator), dim=1)
    norms = (spread * torch.randn(150, 1, generator=generator)).exp()  # log-normal: a few rows outweigh all others
    ratio, null = gradients.cancellation(norms * directions, n, seed)
    assert ratio == pytest.approx(null, rel=0.1)
    assert null >= n**-0.5 and (spread < 2 or n < 50 or null > 1.5 * n**-0.5)


def test_agreement_and_slope():
    assert gradients.agreement(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 1.0])) == (0, 3)
    assert gradients.slope([1, 2, 3], [2, 4, 6]) == pytest.approx(1)


@pytest.fixture(scope="module")
def doubtful(lab):
    """The most doubtful first: questions of words in disorder, which leave the lab's model in doubt."""
    rng = random.Random(0)
    words = "what is the capital of Peru color plus json format dog list reverse answer not seven".split()
    rows = [pair(" ".join(rng.sample(words, 6)) + "?", "Yes.", Origin("x")) for _ in range(80)]
    return sorted(rows, key=lambda row: -answer.nats(lab, row).entropy)


def sampled(loaded, rows, temperature, top_p, answers):
    asked = Dataset.of(row for row in rows for _ in range(answers))
    config = SampleSection(temperature=temperature, top_p=top_p, max_new_tokens=40)
    return self_sample.make(asked, HF.of(loaded), config, 0).kept


def test_own_answers_at_temperature_one_have_no_mean_gradient_and_greedy_ones_do(lab, doubtful):
    rows = doubtful[:8]
    found = {}
    for name, temperature, answers in (("one", 1.0, 16), ("greedy", 0.0, 6)):
        data = sampled(lab, rows, temperature, 1.0, answers)
        found[name] = gradients.excess(gradients.gradients(lab, data, size=2_048), [row.question for row in data])
    # Under the theorem the excess is 1 on average; with 8 questions of 16 answers it is seldom beyond 2.
    assert found["one"] < 2
    assert found["greedy"] == pytest.approx(6, rel=1e-3)


@pytest.mark.parametrize(
    ("temperature", "top_p", "zero"), [(1.0, 1.0, True), (0.7, 1.0, False), (1.0, 0.95, False), (0.0, 1.0, False)]
)
def test_the_exact_pull_is_zero_at_temperature_one_and_whole_nucleus_alone(lab, doubtful, temperature, top_p, zero):
    pulls = [gradients.pull(lab, row, temperature, top_p) for row in doubtful[:3]]
    assert all((pull < 1e-9) == zero for pull in pulls)


def test_reference_conditioned_and_external_answers_pull(lab, doubtful):
    row = doubtful[0]
    shown = self_sample.ask(row, "again")
    assert gradients.pull(lab, row, 1.0, 1.0, shown) > 1e-3
    assert gradients.pull_of_answer(lab, row) > 1e-3


def test_the_weights_gather_no_gradients_afterwards(tiny_model):
    loaded = load(tiny_model("llama"))
    before = [p.requires_grad for p in loaded.model.parameters()]
    gradients.gradients(loaded, ROWS, size=64)
    assert [p.requires_grad for p in loaded.model.parameters()] == before
    assert all(p.grad is None for p in loaded.model.parameters())


def test_distances_are_cosine_distances_to_the_tasks_mean(tiny_model):
    loaded = load(tiny_model("llama"))
    found = gradients.embeddings(loaded, ROWS)
    assert gradients.distances(found[:1], found[:1]) == pytest.approx([0], abs=1e-6)
