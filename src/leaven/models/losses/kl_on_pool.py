"""Cross-entropy on the rows that are learnt, and KL(base ‖ tuned) on those that are held to the base model.

On an answer that the base model sampled from itself (temperature 1, nothing cut), a token's cross-entropy is one draw
of what this divergence has in expectation: both pull to the base, this one without the noise of the draw.
"""

from typing import Any

import torch

from leaven.models.batches import Batch
from leaven.models.losses import cross_entropy
from leaven.models.losses import kl_to_base as kl


def loss(model: Any, batch: Batch) -> torch.Tensor:
    """The sum of both; a forward pass without rows that are held asks the base model nothing."""
    held = batch.held
    base = kl.base_logits(model, batch)[held] if held.any() else None
    logits = batch.logits(model)
    learnt = cross_entropy.entropy(logits[~held], batch.answers[~held])
    return learnt if base is None else learnt + kl.divergence(base, logits[held]).sum()
