"""Gradients of single rows, and what becomes of them when they add up: the buffer itself (equations 9 to 11).

A row's gradient is that of the log-probability of its whole answer, summed over its tokens: for answers that the model
drew from itself at temperature 1 and top_p 1 its mean is exactly zero, which holds for no mean over tokens. It is taken
with respect to the weights under the adapters, since the adapters' own gradients are half zero at the start, and kept
as a count sketch: every coordinate goes to a random bucket with a random sign, so that inner products stay unbiased.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from leaven.models import answer
from leaven.models.load import Loaded
from leaven.models.template import encode, render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Prompt

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj")
SIZE = 8_192


def gradients(loaded: Loaded, rows: Dataset, size: int = SIZE) -> torch.Tensor:
    """The sketched gradient of each answered row: (rows, size)."""
    weights = list(_weights(loaded.model))
    flags = [weight.requires_grad for weight in weights]
    for weight in weights:
        weight.requires_grad_(True)
    try:
        sketches = [_sketched(torch.autograd.grad(_loss(loaded, row), weights), size) for row in rows]
    finally:
        for weight, before in zip(weights, flags, strict=True):
            weight.requires_grad_(before)
    return torch.stack(sketches)


class Cancellation(NamedTuple):
    """R(n) of some gradients, and what it is for independent directions with the same norms."""

    ratio: float
    null: float


def cancellation(rows: torch.Tensor, n: int, seed: int = 0, draws: int = 20) -> Cancellation:
    """R(n), the norm of a sum of n gradients over the sum of their norms, beside its null √Σ|g|² / Σ|g|.

    Both are means over the same random subsets of the rows, (rows, size). Of equal norms the null is 1/√n; a few long
    gradients among many short ones make it larger, with every direction independent.
    """
    rng, norms = random.Random(seed), rows.norm(dim=1)
    ratios, nulls = [], []
    for _ in range(draws):
        subset = rng.sample(range(len(rows)), n)
        total = norms[subset].sum()
        ratios.append(float(rows[subset].sum(0).norm() / total))
        nulls.append(float(norms[subset].norm() / total))
    return Cancellation(sum(ratios) / draws, sum(nulls) / draws)


def excess(rows: torch.Tensor, prompts: Sequence[str]) -> float:
    """How far the gradients of one prompt's answers, (rows, size), are from cancelling; `prompts` names each row's.

    Over prompts with n answers each, the sum of n |mean|² over the sum of the means of |g|²: 1 on average where the
    true mean is zero, and n where all answers pull alike. A prompt with a single answer says nothing and is left out.
    """
    together = apart = 0.0
    for prompt in dict.fromkeys(prompts):
        own = rows[[place for place, name in enumerate(prompts) if name == prompt]]
        if len(own) > 1:
            together += float(len(own) * own.mean(0).square().sum())
            apart += float(own.square().sum(1).mean())
    return together / apart


@torch.no_grad()
def pull(loaded: Loaded, row: Example, temperature: float, top_p: float, shown: Prompt | None = None) -> float:
    """The exact mean gradient on the logits where an answer is sampled so: the mean over its tokens of ‖p − q‖.

    q is what the model says, p what the sampling draws from; `shown` is the prompt that p was asked with, where it is
    another. Zero at temperature 1 and top_p 1 without it, whatever the row; at temperature 0 p is the likeliest token.
    """
    own = torch.softmax(answer.logits(loaded, row)[0].double(), -1)  # (tokens, vocabulary)
    conditional = own if shown is None else _shown(loaded, row, shown)
    if temperature == 0:
        sampling = functional.one_hot(conditional.argmax(-1), conditional.shape[-1]).double()
    else:
        shares, order = torch.softmax(conditional.log() / temperature, -1).sort(dim=-1, descending=True, stable=True)
        nucleus = shares.masked_fill(shares.cumsum(-1) - shares >= top_p, 0) if top_p < 1 else shares
        sampling = torch.zeros_like(own).scatter(-1, order, nucleus / nucleus.sum(-1, keepdim=True))
    return float((sampling - own).norm(dim=-1).mean())


@torch.no_grad()
def pull_of_answer(loaded: Loaded, row: Example) -> float:
    """The same for the row's own answer, which is one and does not vary: ‖onehot − q‖."""
    logits, said = answer.logits(loaded, row)
    return float((functional.one_hot(said, logits.shape[-1]) - torch.softmax(logits.double(), -1)).norm(dim=-1).mean())


def agreement(gradient: torch.Tensor, ideal: torch.Tensor) -> tuple[float, float]:
    """Cosine and ratio of norms to the ideal gradient, both (size,): what equations 10 and 11 claim to be about 1."""
    return float(functional.cosine_similarity(gradient, ideal, dim=0)), float(gradient.norm() / ideal.norm())


def slope(distance: Sequence[float], change: Sequence[float]) -> float:
    """The least-squares slope of change over distance, both in standard units: their correlation."""
    table = torch.tensor([list(distance), list(change)], dtype=torch.float64)
    return float(torch.corrcoef(table)[0, 1])


@torch.no_grad()
def embeddings(loaded: Loaded, rows: Dataset) -> torch.Tensor:
    """The last layer's mean state over each question: (rows, width)."""
    states = []
    for row in rows:
        ids = encode(loaded.tokenizer, render(loaded.tokenizer, row.prompt, True))
        batch = torch.tensor([ids], device=loaded.model.device)
        states.append(loaded.model(input_ids=batch, output_hidden_states=True).hidden_states[-1][0].float().mean(0))
    return torch.stack(states)


def distances(rows: torch.Tensor, task: torch.Tensor) -> list[float]:
    """The cosine distance of each row's embedding, (rows, width), to the mean of the task's."""
    values: list[float] = (1 - functional.cosine_similarity(rows, task.mean(0, keepdim=True))).tolist()
    return values


def _loss(loaded: Loaded, row: Example) -> torch.Tensor:
    logits, said = answer.logits(loaded, row)
    return functional.cross_entropy(logits, said, reduction="sum")


def _shown(loaded: Loaded, row: Example, prompt: Prompt) -> torch.Tensor:
    """The distributions along the row's answer, (tokens, vocabulary), when it follows another prompt."""
    other = replace(row, messages=(*prompt, row.messages[-1]))
    return torch.softmax(answer.logits(loaded, other)[0].double(), -1)


def _weights(model: Any) -> Iterator[torch.nn.Parameter]:
    """The weights of the attention's layers, those under an adapter where there is one."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in MODULES:
            yield getattr(module, "base_layer", module).weight


def _sketched(parts: Sequence[torch.Tensor], size: int) -> torch.Tensor:
    sketch = torch.zeros(size, dtype=torch.float64)
    for number, part in enumerate(parts):
        buckets, signs = _hash(number, part.numel(), size)
        sketch.index_add_(0, buckets, part.flatten().double().cpu() * signs)
    return sketch


@lru_cache(maxsize=1024)
def _hash(number: int, length: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The bucket and the sign of each coordinate of a weight, the same in every run."""
    generator = torch.Generator().manual_seed(number)
    buckets = torch.randint(size, (length,), generator=generator)
    signs = torch.randint(2, (length,), generator=generator) * 2.0 - 1.0
    return buckets, signs.double()
