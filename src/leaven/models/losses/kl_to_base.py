"""Cross-entropy, and a rope to the base model: a weight times KL(tuned ‖ base).

It is the control that asks whether DELIA's buffer does more than hold the model where it was.
"""

from typing import Any

import torch

from leaven.models.batches import Batch
from leaven.models.losses import cross_entropy


def loss(model: Any, batch: Batch, weight: float) -> torch.Tensor:
    """The sum of both; the base is the model without its adapter."""
    with torch.no_grad(), model.disable_adapter():
        base = batch.logits(model)
    logits = batch.logits(model)
    return cross_entropy.entropy(logits, batch.answers) + weight * divergence(logits, base).sum()


def divergence(logits: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """KL(tuned ‖ base) at each place, (places,), from logits of (places, vocabulary)."""
    tuned, before = (torch.log_softmax(each.float(), -1) for each in (logits, base))
    return (tuned.exp() * (tuned - before)).sum(-1)
