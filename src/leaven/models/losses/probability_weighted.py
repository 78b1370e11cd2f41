"""Cross-entropy in which a token counts as much as the model believes in it (DFT), with an anchor at the base (ASFT).

A token that the model finds unlikely has a large gradient in cross-entropy; weighted by the token's own probability,
which has no gradient here, it has a small one: what is alien to the model is hardly learnt. Dynamic Fine-Tuning is
arXiv 2508.05629; with the anchor, KL(base ‖ tuned), it is Anchored Supervised Fine-Tuning (2509.23753).
"""

from typing import Any

import torch
from torch.nn import functional

from leaven.models.batches import Batch
from leaven.models.losses import kl_to_base as kl


def loss(model: Any, batch: Batch, anchor: float) -> torch.Tensor:
    """The weighted cross-entropy, and `anchor` times the divergence, both over the trained tokens."""
    base = kl.base_logits(model, batch) if anchor else None
    logits = batch.logits(model)
    entropies = functional.cross_entropy(logits.float(), batch.answers, reduction="none")  # (places,)
    weighted = (entropies * (-entropies).exp().detach()).sum()
    return weighted if base is None else weighted + anchor * kl.divergence(base, logits).sum()
