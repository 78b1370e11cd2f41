from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from leaven.models.losses import probability_weighted

BASE = torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]).log()
TUNED = torch.tensor([[0.25, 0.25, 0.5], [0.1, 0.8, 0.1]]).log()
SAID = torch.tensor([0, 1])


def batch(logits):
    """A batch of two trained places, of which the model says `logits` and, without its adapter, BASE."""
    return SimpleNamespace(answers=SAID, logits=lambda model: BASE if model.is_base else logits)


class Model:
    is_base = False

    @contextmanager
    def disable_adapter(self):
        self.is_base = True
        yield
        self.is_base = False


MODEL = Model()


def test_each_token_counts_as_much_as_its_probability_by_hand():
    chances = torch.tensor([0.25, 0.8])
    value = probability_weighted.loss(MODEL, batch(TUNED), anchor=0)
    assert float(value) == pytest.approx(float(-(chances * chances.log()).sum()))


def test_the_weight_has_no_gradient_of_its_own():
    logits = TUNED.clone().requires_grad_()
    probability_weighted.loss(MODEL, batch(logits), anchor=0).backward()
    plain = TUNED.clone().requires_grad_()
    functional.cross_entropy(plain, SAID, reduction="sum").backward()
    assert torch.allclose(logits.grad, plain.grad * torch.tensor([[0.25], [0.8]]))


def test_the_anchor_is_the_divergence_of_the_base_from_the_tuned_model_by_hand():
    plain = probability_weighted.loss(MODEL, batch(TUNED), anchor=0)
    anchored = probability_weighted.loss(MODEL, batch(TUNED), anchor=3)
    base, tuned = BASE.exp(), TUNED.exp()
    assert float(anchored - plain) == pytest.approx(3 * float((base * (base / tuned).log()).sum()), rel=1e-5)
