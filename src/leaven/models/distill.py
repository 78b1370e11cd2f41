"""Fit a token's first row to its description: what follows it shall read as if the description stood there.

Token Distillation (AweDist, arXiv 2505.20133): over texts that name the token, the mean squared error
between the hidden states after the token and those after its description. All else is frozen.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from leaven.errors import UserError
from leaven.models.load import Loaded
from leaven.models.template import encode, render
from leaven.rows.example import user

PLACE = "{token}"


def fit(
    loaded: Loaded,
    token: str,
    description: str,
    questions: Sequence[str],
    *,
    steps: int,
    learning_rate: float,
    batch_size: int = 16,
    seed: int = 0,
) -> tuple[float, ...]:
    """Fit the token's row in place and return the loss of each step; each question names the token, as `{token}`.

    Raises UserError when no text has anything after the token.
    """
    model, tokenizer = loaded.model, loaded.tokenizer
    token_id = int(tokenizer.convert_tokens_to_ids(token))
    pairs = [pair for text in questions if (pair := _pair(tokenizer, text, token, description))]
    if not pairs:
        raise UserError("no question goes on after the token", "Name it early in the questions.")
    targets = [_states(model, teacher)[-after:].detach() for teacher, _, after in pairs]  # (after, width) each
    layer = model.get_input_embeddings()
    row = layer.weight[token_id].detach().float().clone().requires_grad_()
    optimizer = torch.optim.AdamW([row], lr=learning_rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    losses = []

    def replace(_module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        scale = getattr(layer, "scalar_embed_scale", 1.0)  # Gemma 3 scales inside the layer
        return torch.where((inputs[0] == token_id)[..., None], (row * scale).to(output), output)

    with _frozen(model), layer.register_forward_hook(replace):
        for _ in range(steps):
            batch = torch.randperm(len(pairs), generator=generator)[:batch_size].tolist()
            errors = [
                (_states(model, pairs[index][1])[-pairs[index][2] :] - targets[index]).square().mean()
                for index in batch
            ]
            loss = torch.stack(errors).mean()
            (row.grad,) = torch.autograd.grad(loss, [row])
            optimizer.step()
            losses.append(loss.item())
    with torch.no_grad():
        layer.weight[token_id] = row.to(layer.weight)
    return tuple(losses)


def _pair(tokenizer: Any, text: str, token: str, description: str) -> tuple[list[int], list[int], int] | None:
    """The ids with the description, the ids with the token, and how many tokens both have after it."""
    teacher, student = (
        encode(tokenizer, render(tokenizer, user(text.replace(PLACE, wording)), True))
        for wording in (description, token)
    )
    after = 0
    while after < min(len(teacher), len(student)) and teacher[-1 - after] == student[-1 - after]:
        after += 1
    return (teacher, student, after) if after else None


def _states(model: Any, ids: list[int]) -> torch.Tensor:
    """The last layer's states of one text, (tokens, width)."""
    batch = torch.tensor([ids], device=model.device)
    states: torch.Tensor = model(input_ids=batch, output_hidden_states=True, use_cache=False).hidden_states[-1]
    return states[0].float()


@contextmanager
def _frozen(model: Any) -> Iterator[None]:
    """No weight of the model gathers gradients."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
