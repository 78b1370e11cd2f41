"""RMSNorm in 16 bits on a CPU while a model learns: half of what it takes, forward and back.

The forward pass is transformers' own, to the bit. What autograd makes of it keeps and reads several copies in float32;
here a norm keeps its input alone and goes back by one kernel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch

HALF = (torch.bfloat16, torch.float16)


@contextmanager
def short_norms(model: Any) -> Iterator[None]:
    """The model with shorter norms; afterwards they are transformers' own again.

    A norm is taken by what it computes, and not by its name alone: others (Gemma's) stay as they are.
    """
    norms = [layer for layer in model.modules() if _is_llamas(layer)]
    for layer in norms:
        layer.forward = MethodType(_forward, layer)
    try:
        yield
    finally:
        for layer in norms:
            del layer.forward


def _forward(layer: Any, states: torch.Tensor) -> Any:
    # In float32 little would be gained, and the last bits of every gradient would be others.
    suits = states.requires_grad and states.device.type == "cpu" and states.dtype in HALF
    if not suits or layer.weight.requires_grad:
        return type(layer).forward(layer, states)
    return _Norm.apply(states, layer.weight, layer.variance_epsilon)  # type: ignore[no-untyped-call]


def _is_llamas(layer: Any) -> bool:
    """Whether a layer is the RMSNorm of Llama, and of most: tried on two rows."""
    weight, epsilon = getattr(layer, "weight", None), getattr(layer, "variance_epsilon", None)
    named = type(layer).__name__.endswith("RMSNorm") and "forward" not in vars(layer)
    # The weight of a shard is no Parameter proper, and is not at hand here (mesh.py).
    if not named or epsilon is None or type(weight) is not torch.nn.Parameter or weight.device.type != "cpu":
        return False
    rows = torch.linspace(-3, 5, 2 * len(weight)).view(2, -1).to(weight.dtype)
    with torch.no_grad():
        return torch.equal(layer(rows), _normed(rows, weight, epsilon)[0])


def _normed(states: torch.Tensor, weight: torch.Tensor, epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """RMSNorm of states (…, width), rounded where transformers rounds, and the scale of each row, (…, 1)."""
    exact = states.float()
    scale = torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + epsilon)
    return weight * (exact * scale).to(states.dtype), scale


class _Norm(torch.autograd.Function):
    """RMSNorm with a frozen weight: states (…, width), weight (width,), epsilon."""

    @staticmethod
    def forward(ctx: Any, states: Any, weight: Any, epsilon: float) -> Any:
        result, scale = _normed(states, weight, epsilon)
        ctx.save_for_backward(states, weight, scale)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        """As a layer norm of mean 0 goes back, and what that takes away for the mean, which here is not subtracted."""
        states, weight, scale = ctx.saved_tensors
        width = states.shape[-1]
        result, _, _ = torch.ops.aten.native_layer_norm_backward(
            gradient.contiguous(), states.contiguous(), [width], torch.zeros_like(scale), scale, weight.float(), None,
            [True, False, False],
        )  # fmt: skip
        mean = (gradient @ weight)[..., None] * scale / width
        return result.add_(mean.to(result.dtype)), None, None
