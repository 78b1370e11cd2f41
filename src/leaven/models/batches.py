"""Which rows go through the model together: the order, the forward passes and the tensors of a training."""

import math
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
        rows = self._rows(self.epoch)
        for start in range(0, len(rows), self.step_rows):
            step = rows[start : start + self.step_rows]
            yield from sorted(step, key=lambda row: self.lengths[row]) if self.sort else step

    def seen(self, counts: Sequence[int], steps: int) -> int:
        """The sum of `counts`, one a row, over the rows of the first `steps` optimiser steps, resumed or not."""
        epochs, rest = divmod(steps, math.ceil(len(self) / self.step_rows))
        begun = self._rows(epochs)[: rest * self.step_rows] if rest else []
        return epochs * sum(counts) + sum(counts[row] for row in begun)

    def _rows(self, epoch: int) -> list[int]:
        rows = list(range(len(self.lengths)))
        if epoch:
            random.Random(f"{self.seed}/{epoch}").shuffle(rows)
        return rows


def pad(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """Rows padded on the right: input_ids, attention_mask, labels, each (rows, tokens)."""
    width = max(len(row["input_ids"]) for row in rows)
    return {
        "input_ids": _table([row["input_ids"] for row in rows], width, pad_id),
        "attention_mask": _table([[1] * len(row["input_ids"]) for row in rows], width, 0),
        "labels": _table([row["labels"] for row in rows], width, IGNORED),
    }


def pack(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Rows one after another in lines as long as the longest: input_ids, position_ids, labels, each (lines, tokens).

    Positions start anew with every row and there is no attention mask: from that transformers sees where rows begin,
    and lets each attend to itself alone. The first label of a row is ignored, since no token of the row predicts it.
    """
    width = max(len(row["input_ids"]) for row in rows)
    lines = [[rows[row] for row in line] for line in _lines([len(row["input_ids"]) for row in rows], width)]
    ids = [[token for row in line for token in row["input_ids"]] for line in lines]
    positions = [[place for row in line for place in range(len(row["input_ids"]))] for line in lines]
    labels = [[label for row in line for label in (IGNORED, *row["labels"][1:])] for line in lines]
    # The filling stands at position 0: each of its tokens is a row of its own.
    return {
        "input_ids": _table(ids, width, 0),
        "position_ids": _table(positions, width, 0),
        "labels": _table(labels, width, IGNORED),
    }


def _lines(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Rows put into as few lines of this width as first fit needs, the longest rows first."""
    lines: list[list[int]] = []
    room: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        place = next((place for place, free in enumerate(room) if free >= lengths[row]), len(lines))
        if place == len(lines):
            lines.append([])
            room.append(width)
        lines[place].append(row)
        room[place] -= lengths[row]
    return lines


def _table(rows: Sequence[Sequence[int]], width: int, filling: int) -> torch.Tensor:
    return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows])
