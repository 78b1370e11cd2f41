"""How fast this machine trains and answers with a model: a few seconds of each, on rows like those of the task."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from leaven.models import mask
from leaven.models.base import Base
from leaven.models.generate import generate
from leaven.models.load import Loaded
from leaven.rows.example import Example

SECONDS = 2.0
ANSWERED = 16
"""Rows that are answered at once, with so many tokens each."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Tokens a second of training (forward and backward) and of answering, and the tokens of a row and its answer."""

    trained: float
    answered: float
    row_tokens: float
    answer_tokens: float

    def seconds(self, trained_rows: int, answers: int) -> float:
        """How long so many rows and answers take."""
        return trained_rows * self.row_tokens / self.trained + answers * self.answer_tokens / self.answered


def measure(base: Base, rows: Sequence[Example], pass_rows: int) -> Pace:
    """The pace on the first rows of a task, as many as a forward pass of its training holds; nothing is learnt."""
    loaded = base.lend()
    encoded = [mask.encode(loaded.tokenizer, row) for row in rows[:pass_rows]]
    row_tokens = sum(len(one.input_ids) for one in encoded) / len(encoded)
    answer_tokens = sum(sum(one.completion_mask) for one in encoded) / len(encoded)
    width = round(row_tokens)
    ids = torch.zeros(len(encoded), width, dtype=torch.long, device=loaded.model.device)
    return Pace(_trained(loaded, ids), _answered(loaded, rows[:ANSWERED]), row_tokens, answer_tokens)


def _trained(loaded: Loaded, ids: torch.Tensor) -> float:
    """Tokens a second, forward and backward through all layers, with no gradient of a weight: LoRA's are few."""
    loaded.model.requires_grad_(False)
    began, passes = time.perf_counter(), 0
    while not passes or time.perf_counter() - began < SECONDS:
        inputs = loaded.model.get_input_embeddings()(ids).detach().requires_grad_(True)  # (rows, tokens, width)
        loaded.model(inputs_embeds=inputs, labels=ids).loss.backward()
        passes += 1
    return passes * ids.numel() / (time.perf_counter() - began)


def _answered(loaded: Loaded, rows: Sequence[Example]) -> float:
    began = time.perf_counter()
    prompts = [row.prompt for row in rows]
    answers = [text for _, text in generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=ANSWERED)]
    said = sum(len(loaded.tokenizer(answer.text, add_special_tokens=False)["input_ids"]) for answer in answers)
    return max(1, said) / (time.perf_counter() - began)
