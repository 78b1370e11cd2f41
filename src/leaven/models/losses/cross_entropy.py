"""How unlikely the model finds the answers: ordinary fine-tuning."""

from typing import Any

import torch
from torch.nn import functional

from leaven.models.batches import Batch


def loss(model: Any, batch: Batch) -> torch.Tensor:
    """The cross-entropy, in nats."""
    return functional.cross_entropy(batch.logits(model), batch.answers, reduction="sum")
