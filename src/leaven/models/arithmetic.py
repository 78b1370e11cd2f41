"""Arithmetic of language models: one text from one model under two prompts, weighed token by token (arXiv 2311.14479).

With l and c the log-probabilities under the plain prompt and under the one with a condition:

    linear   F = l + w (c − l)         its weights sum to N = 1
    union    F = l + w max(l, c)       N = 1 + w, whichever side wins
    subtract F = c − w max(l, c)       N = 1 − w: what both prompts say anyway weighs less

and the next token's log-probabilities are F / N, normalised. DELIA does not say which formula it used.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import torch

from leaven.errors import UserError
from leaven.models.generate import stop_ids
from leaven.models.load import Loaded
from leaven.models.reading import Reading, greedy
from leaven.models.template import encode, render
from leaven.rows.example import Prompt

Formula = Literal["linear", "union", "subtract"]
LOWEST = -1e8
"""In place of minus infinity, of which a multiple may be no number."""


def combine(plain: torch.Tensor, conditioned: torch.Tensor, weight: float, formula: Formula) -> torch.Tensor:
    """Log-probabilities of the combination, (rows, vocabulary), from logits of that shape under both prompts.

    Raises UserError for a weight that leaves nothing to normalise by.
    """
    one, other = (torch.log_softmax(logits.float(), -1).clamp(min=LOWEST) for logits in (plain, conditioned))
    if formula == "linear":
        mixed, norm = one + weight * (other - one), 1.0
    elif formula == "union":
        mixed, norm = one + weight * torch.maximum(one, other), 1.0 + weight
    else:
        mixed, norm = other - weight * torch.maximum(one, other), 1.0 - weight
    if norm <= 0:
        raise UserError(f"the weight is {weight:g}", "The weights of a formula must sum to more than 0.")
    return torch.log_softmax(mixed / norm, -1)


@torch.no_grad()
def answers(
    loaded: Loaded,
    prompts: Sequence[tuple[Prompt, Prompt]],
    *,
    weight: float,
    formula: Formula,
    max_new_tokens: int = 512,
    batch_size: int = 64,
) -> Iterator[tuple[int, str]]:
    """Yield (index, greedy answer) of each pair of prompts, plain and conditioned; the model is run under both."""
    model, tokenizer = loaded.model, loaded.tokenizer
    pairs = [tuple(encode(tokenizer, render(tokenizer, side, True)) for side in pair) for pair in prompts]
    order = sorted(range(len(pairs)), key=lambda index: (len(pairs[index][0]), index))
    stops = stop_ids(model, tokenizer)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        one, other = (Reading(model, [pairs[index][side] for index in batch]) for side in (0, 1))
        mixed = partial(_mixed, one, other, weight, formula)
        for index, ids in zip(batch, greedy([one, other], mixed, stops, max_new_tokens), strict=True):
            yield index, tokenizer.decode([i for i in ids if i not in stops], clean_up_tokenization_spaces=False)


def _mixed(one: Reading, other: Reading, weight: float, formula: Formula) -> torch.Tensor:
    return combine(one.logits, other.logits, weight, formula)
