"""A KV cache whose rows can leave and join while the others go on.

Every row ends at the right edge, with padding on its left, so that rows of different age share one batch: a row that
joins is padded on the left to the common length, and columns that are padding in every row are cut.
"""

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A layer that writes into spare room, where DynamicLayer copies all it holds at every step."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.length = 0
        self._room: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states of shape (rows, heads, new, width); return all, (rows, heads, length, width)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.length = self.length, self.length + key_states.shape[-2]
        if self._room is None or self._room[0].shape[-2] < self.length:
            self._room = (self._enlarge(self.keys, key_states), self._enlarge(self.values, value_states))
        for room, states in zip(self._room, (key_states, value_states), strict=True):
            room[:, :, start : self.length] = states
        self.keys, self.values = (room[:, :, : self.length] for room in self._room)
        return self.keys, self.values

    def put(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Replace all states by these, (rows, heads, length, width)."""
        self.keys, self.values, self.length, self._room = keys, values, keys.shape[-2], None

    def get_seq_length(self) -> int:
        """Columns that are filled."""
        return self.length

    def _enlarge(self, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        rows, heads, _, width = new.shape
        room = new.new_empty(rows, heads, self.length + max(32, self.length // 4), width)
        if old.numel():
            room[:, :, : old.shape[-2]] = old
        return room


def empty() -> Any:
    """A cache without rows. Sliding-window layers get a full layer too: their mask does the sliding."""
    return Cache(layer_class_to_replicate=RoomyLayer)


def select(cache: Any, rows: torch.Tensor, columns: int) -> None:
    """Keep these rows, and of each the last `columns` columns."""
    for layer in cache.layers:
        layer.put(layer.keys[rows, :, -columns:], layer.values[rows, :, -columns:])


def join(cache: Any, newcomers: Any) -> None:
    """Put the rows of `newcomers` below those of `cache`, the shorter ones padded on the left."""
    for layer, other in zip(cache.layers, newcomers.layers, strict=True):
        columns = max(layer.length, other.length)
        layer.put(
            torch.cat([_pad(layer.keys, columns), _pad(other.keys, columns)]),
            torch.cat([_pad(layer.values, columns), _pad(other.values, columns)]),
        )


def repeat(cache: Any, rows: int) -> Any:
    """A new cache of so many rows, each with the states of the one row of `cache`."""
    copies = empty()
    for number, layer in enumerate(cache.layers):
        copies.update(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1), number)
    return copies


def reorder(cache: Any, order: torch.Tensor) -> None:
    """Put the columns of each row into another order, (rows, columns)."""
    for layer in cache.layers:
        index = order[:, None, :, None].expand_as(layer.keys)  # (rows, heads, columns, width)
        layer.put(layer.keys.gather(2, index), layer.values.gather(2, order[:, None, :, None].expand_as(layer.values)))


def _pad(states: torch.Tensor, columns: int) -> torch.Tensor:
    return torch.nn.functional.pad(states, (0, 0, columns - states.shape[-2], 0))  # (rows, heads, columns, width)
