"""A KV cache whose rows can leave and join while the others go on.

Every row ends at the right edge, with padding on its left, so that rows of different age share one batch: a row that
joins is padded on the left to the common length, and columns that are padding in every row are cut.
"""

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

SPARE = 32
"""Columns by which the room of a cache grows."""


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A layer that writes into spare room, where DynamicLayer copies all it holds at every step.

    The model is given all columns, and a mask that hides the spare ones. Products of tensors that lie in one piece take
    half the time, and the shapes stay the same for many steps.
    """

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    def update(
        self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states of shape (rows, heads, new, width); return all, (rows, heads, room, width)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        room, end = self._room(key_states.shape[-2]), self.length + key_states.shape[-2]
        if not self.length or room != self.keys.shape[-2]:
            self.keys, self.values = (
                self._enlarge(old, new, room) for old, new in ((self.keys, key_states), (self.values, value_states))
            )
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys, self.values

    def put(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Replace all states by these, (rows, heads, length, width)."""
        self.keys, self.values, self.length = keys, values, keys.shape[-2]

    @property
    def states(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values without spare room, (rows, heads, length, width)."""
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def get_seq_length(self) -> int:
        """Columns that are filled."""
        return self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns that a model will be given with so many new ones, and the first of them."""
        return self._room(query_length), 0

    def _room(self, new: int) -> int:
        """Columns needed with so many new ones: with spare ones where tokens come singly, none where many are read."""
        room, needed = self.keys.shape[-2] if self.length else 0, self.length + new
        if needed <= room:
            return room
        # For the first tokens transformers may give no mask at all, which would leave spare columns in sight.
        return needed if new > 1 or not self.length else -(-needed // SPARE) * SPARE

    def _enlarge(self, old: torch.Tensor, new: torch.Tensor, room: int) -> torch.Tensor:
        rows, heads, _, width = new.shape
        # Zeros and no empty memory: a hidden column has the weight 0, and 0 × NaN would be NaN.
        enlarged = new.new_zeros(rows, heads, room, width)
        if self.length:
            enlarged[:, :, : self.length] = old[:, :, : self.length]
        return enlarged


def empty() -> Any:
    """A cache without rows. Sliding-window layers get a full layer too: their mask does the sliding."""
    return Cache(layer_class_to_replicate=RoomyLayer)


def select(cache: Any, rows: torch.Tensor, columns: int) -> None:
    """Keep these rows, and of each the last `columns` columns."""
    for layer in cache.layers:
        keys, values = layer.states
        layer.put(keys[rows, :, -columns:], values[rows, :, -columns:])


def join(cache: Any, newcomers: Any) -> None:
    """Put the rows of `newcomers` below those of `cache`, the shorter ones padded on the left."""
    for layer, other in zip(cache.layers, newcomers.layers, strict=True):
        columns = max(layer.length, other.length)
        both = zip(layer.states, other.states, strict=True)
        layer.put(*(torch.cat([_pad(states, columns), _pad(new, columns)]) for states, new in both))


def repeat(cache: Any, rows: int) -> Any:
    """A new cache of so many rows, each with the states of the one row of `cache`."""
    copies = empty()
    for number, layer in enumerate(cache.layers):
        copies.update(*(states.expand(rows, -1, -1, -1) for states in layer.states), number)
    return copies


def reorder(cache: Any, order: torch.Tensor) -> None:
    """Put the columns of each row into another order, (rows, columns)."""
    index = order[:, None, :, None]  # (rows, 1, columns, 1)
    for layer in cache.layers:
        layer.put(*(states.gather(2, index.expand_as(states)) for states in layer.states))


def _pad(states: torch.Tensor, columns: int) -> torch.Tensor:
    return torch.nn.functional.pad(states, (0, 0, columns - states.shape[-2], 0))  # (rows, heads, columns, width)
