"""An adapter folded into its base for as long as the model only reads: decoding then costs what the base costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import Linear
from peft.tuners.trainable_tokens import TrainableTokensLayer
from torch.distributed.tensor import DTensor


@contextmanager
def folded(model: Any) -> Iterator[None]:
    """The model in evaluation mode with its adapter merged; afterwards every weight is back, bit for bit.

    LoRA is folded in float32 only, since merging rounds elsewhere, and never into a shard (`mesh.py`) or an embedding,
    which may share its weight with the output layer. Token rows are always folded: peft would copy the whole embedding
    at every step.
    States are made contiguous before the output layer: else torch copies a frozen layer's weights for each row.
    """
    was_training = model.training
    model.eval()
    originals: list[tuple[Any, torch.Tensor]] = []
    contiguous = model.get_output_embeddings().register_forward_pre_hook(lambda _, args: (args[0].contiguous(),))
    try:
        for layer in model.modules():
            if _foldable(layer):
                originals.append((layer, layer.get_base_layer().weight.data))
                layer.merge(safe_merge=True)  # a new tensor in place of the old one, which `originals` keeps
        yield
    finally:
        contiguous.remove()
        for layer, weight in reversed(originals):
            layer.get_base_layer().weight.data = weight
            layer.merged_adapters.clear()
        model.train(was_training)


def _foldable(layer: Any) -> bool:
    if isinstance(layer, TrainableTokensLayer):
        return not layer.merged and not layer.disable_adapters
    if not isinstance(layer, Linear) or layer.merged or layer.disable_adapters:
        return False
    weight = layer.get_base_layer().weight
    return weight.dtype == torch.float32 and not isinstance(weight, DTensor)
