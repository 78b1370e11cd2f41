"""Which rows go through the model together: their order, and the tensors of a forward pass."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional

from leaven.models.mask import Encoded
from leaven.models.schedule import Schedule

IGNORED = -100
"""The label of a token without loss, as torch's cross-entropy has it."""
MOST_TOKENS = 1024
"""Tokens of a forward pass on a CPU, padding counted: more are no faster, and need more memory for the gradients."""
MOST_TOKENS_GPU = 4096
"""The same on a GPU."""
PASS_TOKENS = 32
"""The fixed cost of a forward pass, in tokens that take as long."""


class Order:
    """The rows of each step: the first epoch in the order of the mixture, later ones shuffled by the seed.

    With `sort`, the rows of each step are sorted by length, so that its forward passes hold rows of like length.
    Grouping by length over the whole mixture would put the task rows, which are alike in length, into a few steps of
    their own, and undo the mixing.
    """

    def __init__(self, lengths: Sequence[int], schedule: Schedule, seed: int, sort: bool) -> None:
        self.lengths, self.schedule, self.seed, self.sort = lengths, schedule, seed, sort

    def step(self, number: int) -> list[int]:
        """The rows of a step, by their numbers; steps count from 0."""
        epoch = _epoch(self.schedule.rows, self.seed, number // self.schedule.epoch_steps)
        rows = [epoch[place] for place in self.schedule.step(number)]
        return sorted(rows, key=lambda row: self.lengths[row]) if self.sort else rows


def passes(lengths: Sequence[int], most_rows: int, most_tokens: int = MOST_TOKENS) -> list[slice]:
    """The forward passes of a step, as slices of its rows: those that cost least, by tokens and padding.

    A pass holds at most so many rows and, padded to its longest, so many tokens; a row that is longer goes alone.

    >>> passes([10, 11, 12, 90, 99, 2000], most_rows=64)
    [slice(0, 3, None), slice(3, 5, None), slice(5, 6, None)]
    """
    best = [(0, 0)]  # for each place: the tokens of the cheapest passes up to it, and where the last of these begins
    for end in range(1, len(lengths) + 1):
        longest, choices = 0, []
        for start in range(end - 1, max(-1, end - most_rows - 1), -1):
            longest = max(longest, lengths[start])
            tokens = (end - start) * longest
            if tokens > most_tokens and start < end - 1:
                break
            choices.append((best[start][0] + tokens + PASS_TOKENS, start))
        best.append(min(choices))
    slices: list[slice] = []
    while (end := slices[-1].start if slices else len(lengths)) > 0:
        slices.append(slice(best[end][1], end))
    return slices[::-1]


@lru_cache(maxsize=4)
def _epoch(rows: int, seed: int, number: int) -> tuple[int, ...]:
    order = list(range(rows))
    if number:
        random.Random(f"{seed}/{number}").shuffle(order)
    return tuple(order)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one forward pass, as tensors where the model is.

    `inputs` are the model's arguments; `target`, (rows, tokens), is the token that each position must predict, or
    `IGNORED` where it carries no loss. `held` says of each trained token, (places,), whether its row is held to the
    base model instead of being learnt. `teacher`: the same answers after the contexts that a teacher reads, if any.
    """

    inputs: dict[str, torch.Tensor]
    target: torch.Tensor
    held: torch.Tensor
    teacher: "Batch | None" = None

    @classmethod
    def of(cls, rows: Sequence[Encoded], pad_id: int, packed: bool, device: torch.device) -> "Batch":
        """The rows side by side, padded, or packed one after another (but where a teacher reads others beside them)."""
        taught = [row.taught for row in rows if row.context]
        tensors = pack(rows) if packed and not taught else pad(rows, pad_id)
        target = functional.pad(tensors.pop("labels"), (0, 1), value=IGNORED)[:, 1:]
        held = tensors.pop("held")[target != IGNORED]
        inputs = {name: tensor.to(device) for name, tensor in tensors.items()}
        teacher = cls.of(taught, pad_id, False, device) if taught else None
        return cls(inputs, target.to(device), held.to(device), teacher)

    @property
    def answers(self) -> torch.Tensor:
        """The trained tokens, (places,)."""
        return self.target[self.target != IGNORED]

    def logits(self, model: Any) -> torch.Tensor:
        """What the model says where a token is trained, (places, vocabulary), in its own precision."""
        places = self.target != IGNORED
        # The output layer is asked at the trained places alone: its logits are the largest tensor of a training.
        with model.get_output_embeddings().register_forward_pre_hook(lambda _, args: (args[0][places],)):
            logits: torch.Tensor = model(**self.inputs, use_cache=False).logits
        return logits


def pad(rows: Sequence[Encoded], pad_id: int) -> dict[str, torch.Tensor]:
    """Rows padded on the right: input_ids, labels, held, each (rows, tokens).

    No mask: padding comes after the tokens of its row, where none of them looks, and carries no loss.
    """
    width = max(len(row.input_ids) for row in rows)
    return {
        "input_ids": _table([row.input_ids for row in rows], width, pad_id),
        "labels": _table([_labels(row) for row in rows], width, IGNORED),
        "held": _table([_held(row) for row in rows], width, False),
    }


def pack(rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """Rows one after another in lines as long as the longest: input_ids, position_ids, labels, held, (lines, tokens).

    Positions start anew with every row and there is no attention mask: from that transformers sees where rows begin,
    and lets each attend to itself alone. The first label of a row is ignored, since no token of the row predicts it.
    """
    width = max(len(row.input_ids) for row in rows)
    lines = [[rows[row] for row in line] for line in _lines([len(row.input_ids) for row in rows], width)]
    ids = [[token for row in line for token in row.input_ids] for line in lines]
    positions = [[place for row in line for place in range(len(row.input_ids))] for line in lines]
    labels = [[label for row in line for label in (IGNORED, *_labels(row)[1:])] for line in lines]
    held = [[each for row in line for each in _held(row)] for line in lines]
    # Each token of the padding is at position 0, and so a row of its own that no other attends to.
    return {
        "input_ids": _table(ids, width, 0),
        "position_ids": _table(positions, width, 0),
        "labels": _table(labels, width, IGNORED),
        "held": _table(held, width, False),
    }


def _lines(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Rows put into as few lines of this width as first fit needs, the longest rows first."""
    lines: list[list[int]] = []
    room: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        line = next((line for line, free in enumerate(room) if free >= lengths[row]), len(lines))
        if line == len(lines):
            lines.append([])
            room.append(width)
        lines[line].append(row)
        room[line] -= lengths[row]
    return lines


def _labels(row: Encoded) -> list[int]:
    return [token if on else IGNORED for token, on in zip(row.input_ids, row.completion_mask, strict=True)]


def _held(row: Encoded) -> list[bool]:
    return [row.held] * len(row.input_ids)


def _table(rows: Sequence[Sequence[int]], width: int, filling: int) -> torch.Tensor:
    return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows])
