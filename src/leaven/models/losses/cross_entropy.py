"""How unlikely the model finds the answers: ordinary fine-tuning."""

from typing import Any

import torch

from leaven.models.batches import Batch

AT_ONCE = 1 << 20
"""Logits that are turned into float32 at a time: few enough for the processor's cache."""


def loss(model: Any, batch: Batch) -> torch.Tensor:
    """The cross-entropy, in nats."""
    return entropy(batch.logits(model), batch.answers)


def entropy(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of answers, (places,), by logits of any precision, (places, vocabulary), summed in float32."""
    total: torch.Tensor = _Entropy.apply(logits, answers)  # type: ignore[no-untyped-call]
    return total


class _Entropy(torch.autograd.Function):
    """The loss and its gradient in one pass, a few places at a time: never do all logits lie in float32."""

    @staticmethod
    def forward(ctx: Any, logits: Any, answers: Any) -> Any:
        gradient = torch.empty_like(logits)
        total = torch.zeros((), device=logits.device)
        places = max(1, AT_ONCE // logits.shape[-1])
        for start in range(0, len(answers), places):
            few = slice(start, start + places)
            exact, ids = logits[few].float(), answers[few, None]
            shares = exact.softmax(-1)
            # log Σ exp(logits), from the likeliest token, whose share is never too small for a logarithm
            log_sum_exp = exact.amax(-1) - shares.amax(-1).log()
            total += log_sum_exp.sum() - exact.gather(1, ids).sum()
            gradient[few] = shares.scatter_add_(1, ids, torch.full_like(ids, -1, dtype=shares.dtype))
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, scale: Any) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient.mul_(scale), None
