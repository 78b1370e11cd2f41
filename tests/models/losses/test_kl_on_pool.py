from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from leaven.delia import buffer
from leaven.models import train
from leaven.models.load import load
from leaven.models.losses import cross_entropy, kl_on_pool, kl_to_base
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair

TASK = Dataset.of(pair(f"is {word} so?", f"yes, {word}", Origin("x")) for word in "one two three".split())
POOL = Dataset.of(pair(f"what of {word}?", word, Origin("x")) for word in "four five".split())


def tuned(path, folder, data, objective, **settings):
    config = TuneSection.model_validate({"learning_rate": 1e-2, "small_data_batch": len(data), **settings})
    return train.fit(load(path), data, config, seed=0, token_id=None, folder=folder, objective=objective)


def test_the_divergence_pulls_as_own_answers_do_in_expectation():
    """The gradient at one place: that of KL(base ‖ tuned), and the mean of those of all tokens the base may say."""
    base, tuned = torch.randn(2, 1, 7)
    tuned.requires_grad_()
    (pull,) = torch.autograd.grad(kl_to_base.divergence(base, tuned).sum(), tuned)
    draws = [functional.cross_entropy(tuned, torch.tensor([token])) for token in range(7)]
    expected = sum(
        chance * torch.autograd.grad(draw, tuned)[0] for chance, draw in zip(base.softmax(-1)[0], draws, strict=True)
    )
    assert torch.allclose(pull, expected, atol=1e-6)


@pytest.mark.parametrize("batching", ["length", "packed"])
def test_rows_that_are_held_add_nothing_before_the_first_step_and_pull_afterwards(tiny_model, tmp_path, batching):
    both = TASK + buffer.hold(POOL)
    held = tuned(tiny_model(), tmp_path, both, kl_on_pool.loss, max_steps=4, batching=batching)
    silent = tuned(
        tiny_model(), tmp_path, TASK + buffer.without_loss(POOL), cross_entropy.loss, max_steps=4, batching=batching
    )
    learnt = sum(len(row.trained) for row in silent.rows.values())
    trained = sum(len(row.trained) for row in held.rows.values())
    assert learnt < trained
    # The mean is over all trained tokens, of which those of the pool have no loss yet.
    assert held.losses[0] * trained == pytest.approx(silent.losses[0] * learnt, rel=1e-4)
    assert held.losses[-1] * trained > silent.losses[-1] * learnt


def test_a_mixture_without_rows_that_are_held_is_ordinary_tuning(tiny_model, tmp_path):
    plain, own = (
        tuned(tiny_model(), tmp_path, TASK, objective, max_steps=3).losses
        for objective in (cross_entropy.loss, kl_on_pool.loss)
    )
    assert own == pytest.approx(plain, rel=1e-5)


def test_a_row_says_for_itself_whether_it_is_held():
    assert [row.meta for row in buffer.hold(POOL)] == [{"held": True}] * 2
    assert [replace(row, meta={}).id for row in buffer.hold(POOL)] == [row.id for row in POOL]
