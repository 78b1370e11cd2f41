"""What a model has read of several texts at once, and greedy answers by logits that somebody may have changed."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from leaven.models import tokens


class Reading:
    """Rows of tokens as one batch, read to their ends: `logits` are those of the next token, (rows, vocabulary)."""

    logits: torch.Tensor

    def __init__(self, model: Any, rows: Sequence[Sequence[int]]) -> None:
        width = max(map(len, rows))
        self.model, self.cache = model, None
        self.mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
        ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows], device=model.device)
        self._forward(ids, (self.mask.cumsum(-1) - 1).clamp(min=0))

    def read(self, ids: torch.Tensor) -> None:
        """Append one token to every row: (rows, 1)."""
        position = self.mask.sum(-1, keepdim=True)
        self.mask = torch.cat([self.mask, torch.ones_like(position)], -1)
        self._forward(ids, position)

    def _forward(self, ids: torch.Tensor, position: torch.Tensor) -> None:
        output = self.model(
            input_ids=ids, attention_mask=self.mask, position_ids=position, past_key_values=self.cache, use_cache=True
        )
        self.cache, self.logits = output.past_key_values, output.logits[:, -1]
        self.logits[:, tokens.silent(self.model)] = -torch.inf


@torch.no_grad()
def greedy(
    readings: Sequence[Reading], logits: Callable[[], torch.Tensor], stops: frozenset[int], max_new_tokens: int
) -> list[list[int]]:
    """The likeliest tokens by `logits`, (rows, vocabulary), which all readings then read; a row ends at a stop."""
    rows: list[list[int]] = [[] for _ in range(readings[0].mask.shape[0])]
    for _ in range(max_new_tokens):
        chosen = logits().argmax(-1)  # (rows,)
        for ids, token in zip(rows, chosen.tolist(), strict=True):
            if not ids or ids[-1] not in stops:
                ids.append(token)
        if all(ids[-1] in stops for ids in rows):
            break
        for reading in readings:
            reading.read(chosen[:, None])
    return rows
