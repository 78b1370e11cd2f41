"""How unlikely the model finds the answers: ordinary fine-tuning."""

from typing import Any

import torch

from leaven.models.batches import Batch

AT_ONCE = 1 << 20
"""Logits that are looked at in float32 at once: few enough to stay near the processor."""


def loss(model: Any, batch: Batch) -> torch.Tensor:
    """The cross-entropy, in nats."""
    return entropy(batch.logits(model), batch.answers)


def entropy(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of answers, (places,), by logits of any precision, (places, vocabulary), summed in float32."""
    total: torch.Tensor = _Entropy.apply(logits, answers)  # type: ignore[no-untyped-call]
    return total


class _Entropy(torch.autograd.Function):
    """Makes the gradient with the loss, a few places at a time: no logits in float32, and one exponential of each."""

    @staticmethod
    def forward(ctx: Any, logits: Any, answers: Any) -> Any:
        gradient = torch.empty_like(logits)
        total = torch.zeros((), device=logits.device)
        places = max(1, AT_ONCE // logits.shape[-1])
        for start in range(0, len(answers), places):
            few = slice(start, start + places)
            whole, said = logits[few].float(), answers[few, None]
            chances = whole.softmax(-1)
            # The logarithm of the sum of all exponentials, by the likeliest token: its chance is never too small.
            all_of_them = whole.amax(-1) - chances.amax(-1).log()
            total += all_of_them.sum() - whole.gather(1, said).sum()
            gradient[few] = chances.scatter_add_(1, said, torch.full_like(said, -1, dtype=chances.dtype))
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, scale: Any) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient.mul_(scale), None
