"""What a model reads at once: the length of its context, how far its layers look back, what its forward pass takes."""

import inspect
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

UNBOUNDED = 2**31
"""The context of a model whose configuration names no bound."""


def context_length(model: Any) -> int:
    """The most tokens, of prompt and answer together, that the model has positions for."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None) or UNBOUNDED


def head_width(config: Any) -> int:
    """The width of a head of attention, by a text model's configuration, which may leave it to be told."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def layer_types(model: Any) -> frozenset[str]:
    """The kinds of layers that the configuration names, such as full_attention; none where all are of one kind."""
    return frozenset(getattr(model.config.get_text_config(), "layer_types", None) or ())


def is_sliding(model: Any) -> bool:
    """Whether some layers look back on the last columns of the cache alone.

    They count padding as columns. So nothing may be read once for several rows and then be followed by the padding of
    the shorter ones: it would slide out of sight.
    """
    return "sliding_attention" in layer_types(model)


def arguments(model: Any) -> frozenset[str]:
    """The names of what the model's forward pass takes; not all take `position_ids` and `logits_to_keep`."""
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    return frozenset(inspect.signature(base.forward).parameters)


def common_beginning(rows: Sequence[list[int]]) -> list[int]:
    """The tokens that all rows begin with.

    >>> common_beginning([[1, 2, 3], [1, 2], [1, 2, 4]])
    [1, 2]
    """
    pairs = zip(min(rows), max(rows), strict=False)  # in order, what the first row and the last share, all share
    return [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
