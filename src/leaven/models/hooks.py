"""Hidden states at a place of a text: what the probes of layers look at, and swap."""

from collections.abc import Sequence
from typing import Any

import torch

from leaven.errors import UserError

Span = tuple[int, int]


@torch.no_grad()
def hidden_states(model: Any, tokenizer: Any, texts: Sequence[str], spans: Sequence[Span]) -> torch.Tensor:
    """The mean state over the tokens of each text's span of characters, after every block: (texts, layers + 1, width).

    Index 0 of the second axis is the embedding. Texts are rendered ones: no special tokens are added. One text at a
    time, so that no padding touches a state. Raises UserError for a span that holds no token.
    """
    states_of_texts = []
    for text, span in zip(texts, spans, strict=True):
        ids, inside = places(tokenizer, text, span)
        batch = torch.tensor([ids], device=model.device)
        states = model(input_ids=batch, output_hidden_states=True, use_cache=False).hidden_states
        states_of_texts.append(torch.stack([state[0, inside].float().mean(0).cpu() for state in states]))
    return torch.stack(states_of_texts)


def places(tokenizer: Any, text: str, span: Span) -> tuple[list[int], list[int]]:
    """The tokens of a rendered text, and which of them a span of characters touches. Raises UserError for none."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    inside = [i for i, (a, b) in enumerate(encoded["offset_mapping"]) if a < span[1] and b > span[0]]
    if not inside:
        raise UserError(f"no token lies at characters {span[0]} to {span[1]} of {text!r}", "Check the span.")
    return encoded["input_ids"], inside
