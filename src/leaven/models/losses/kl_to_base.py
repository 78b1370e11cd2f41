"""Cross-entropy, and a weight times the divergence from the base model, KL(tuned ‖ base).

It is the control that asks whether DELIA's buffer does more than hold the model where it was.
"""

from typing import Any

import torch

from leaven.models.batches import Batch
from leaven.models.losses import cross_entropy


def loss(model: Any, batch: Batch, weight: float) -> torch.Tensor:
    """The sum of both."""
    base = base_logits(model, batch)
    logits = batch.logits(model)
    return cross_entropy.entropy(logits, batch.answers) + weight * divergence(logits, base).sum()


@torch.no_grad()
def base_logits(model: Any, batch: Batch) -> torch.Tensor:
    """What the base model says where a token is trained, (places, vocabulary): the model without its adapter."""
    with model.disable_adapter():
        return batch.logits(model)


def divergence(logits: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """KL(these ‖ the others) at each place, (places,), from logits of (places, vocabulary)."""
    these, those = (torch.log_softmax(each.float(), -1) for each in (logits, others))
    return (these.exp() * (these - those)).sum(-1)
