"""Which rows go through the model together: the order, the forward passes and the tensors of a training."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch

IGNORED = -100


class Order(torch.utils.data.Sampler[int]):
    """The first epoch in the order of the mixture, later ones shuffled; seeded, epoch by epoch.

    With `sort`, the rows of each optimiser step are sorted by length, so that the forward passes of a step hold rows
    of like length. Grouping by length over the whole mixture would put the task rows, which are alike in length, into
    a few steps of their own, and undo the mixing.
    """

    def __init__(self, lengths: Sequence[int], step_rows: int, seed: int, sort: bool) -> None:
        self.lengths, self.step_rows, self.seed, self.sort = lengths, step_rows, seed, sort
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        rows = list(range(len(self.lengths)))
        if self.epoch:
            random.Random(f"{self.seed}/{self.epoch}").shuffle(rows)
        for start in range(0, len(rows), self.step_rows):
            step = rows[start : start + self.step_rows]
            yield from sorted(step, key=lambda row: self.lengths[row]) if self.sort else step


def pad(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """Rows padded on the right: input_ids, attention_mask, labels, each (rows, tokens)."""
    width = max(len(row["input_ids"]) for row in rows)

    def table(key: str, filler: int) -> torch.Tensor:
        return torch.tensor([[*row[key], *[filler] * (width - len(row[key]))] for row in rows])

    mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows])
    return {"input_ids": table("input_ids", pad_id), "attention_mask": mask, "labels": table("labels", IGNORED)}


def pack(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Rows one after another in a single sequence: input_ids, position_ids, labels, each (1, tokens).

    Positions start anew with every row and there is no attention mask: from that transformers sees where rows begin,
    and lets each attend to itself alone. The first label of a row is ignored, since no token of the row predicts it.
    """
    ids = [token for row in rows for token in row["input_ids"]]
    positions = [place for row in rows for place in range(len(row["input_ids"]))]
    labels = [label for row in rows for label in (IGNORED, *row["labels"][1:])]
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "labels": torch.tensor([labels]),
    }
