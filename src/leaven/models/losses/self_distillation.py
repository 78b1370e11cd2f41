"""How far the model is from itself with an example at hand, over what it says without one (2601.19897).

The teacher is the base model (the model without its adapter) and reads `Encoded.context`; both read the same answer.
"""

from typing import Any, Literal

import torch

from leaven.models.batches import Batch
from leaven.models.losses import kl_to_base as kl

Direction = Literal["reverse", "forward"]


def loss(model: Any, batch: Batch, direction: Direction) -> torch.Tensor:
    """KL(student ‖ teacher), or forward, KL(teacher ‖ student), over the answers' tokens."""
    assert batch.teacher is not None
    teacher = kl.base_logits(model, batch.teacher)
    student = batch.logits(model)
    return (kl.divergence(student, teacher) if direction == "reverse" else kl.divergence(teacher, student)).sum()
