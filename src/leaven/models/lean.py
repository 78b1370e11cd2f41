"""Faster forward passes of an adapter's layers while it learns: the same numbers as peft's, without its copies.

peft copies the whole embedding in each forward pass, and again for a tied output layer, so that one trained row may
stand in it; and it computes LoRA in the precision of its weights, float32, beside a base of 16 bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear
from peft.tuners.trainable_tokens import TrainableTokensLayer
from torch.nn import functional


@contextmanager
def lean(model: Any) -> Iterator[None]:
    """The model with lean layers; afterwards they are peft's own again. Its weights are the same ones throughout."""
    layers = [(layer, _FORWARD[type(layer)]) for layer in model.modules() if type(layer) in _FORWARD]
    for layer, forward in layers:
        layer.forward = MethodType(forward, layer)
    try:
        yield
    finally:
        for layer, _ in layers:
            del layer.forward


def _linear(layer: Any, inputs: torch.Tensor) -> Any:
    """LoRA in the precision of what comes in, (…, width) to (…, out); its weights, and their gradients, keep theirs."""
    if layer.disable_adapters or layer.merged or layer.lora_variant:
        return type(layer).forward(layer, inputs)
    result = layer.base_layer(inputs)
    for name in layer.active_adapters:
        down, up = (weight[name].weight.to(inputs.dtype) for weight in (layer.lora_A, layer.lora_B))
        low = functional.linear(layer.lora_dropout[name](inputs), down)  # (…, rank)
        result = torch.addmm(
            result.flatten(0, -2), low.flatten(0, -2), up.T, alpha=layer.scaling[name]
        ).view(result.shape)  # fmt: skip
    return result


def _token_rows(layer: Any, inputs: torch.Tensor) -> Any:
    """An embedding, or an output layer, some of whose rows are trained."""
    if layer.disable_adapters or layer.merged:
        return type(layer).forward(layer, inputs)
    base = layer.base_layer
    result = base(inputs)
    for name in layer.active_adapters:
        rows = layer.trainable_tokens_delta[name].to(base.weight.dtype)  # (tokens, width)
        ids = layer.token_indices[name]
        if isinstance(base, torch.nn.Embedding):
            scale = layer._get_embed_scale()
            for row, token_id in zip(rows if scale is None else rows * scale.to(rows.dtype), ids, strict=True):
                result = torch.where((inputs == token_id)[..., None], row, result)
        else:
            result = _Columns.apply(result, inputs, base.weight, rows, ids)  # type: ignore[no-untyped-call]
    return result


class _Columns(torch.autograd.Function):
    """Logits of a frozen output layer, (…, vocabulary), with the columns of its trained rows put in their place."""

    @staticmethod
    def forward(ctx: Any, logits: Any, states: Any, weight: Any, rows: Any, ids: list[int]) -> Any:
        ctx.save_for_backward(states, weight, rows)
        ctx.ids = ids
        ctx.mark_dirty(logits)
        logits[..., ids] = functional.linear(states, rows)
        return logits

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        """The gradient of the states is that of the frozen layer, corrected by what the trained rows differ by."""
        states, weight, rows = ctx.saved_tensors
        columns = gradient[..., ctx.ids]  # (…, tokens)
        through = columns @ (rows - weight[ctx.ids])
        return gradient, through, None, columns.flatten(0, -2).T @ states.flatten(0, -2), None


_FORWARD = {Linear: _linear, TrainableTokensLayer: _token_rows}
