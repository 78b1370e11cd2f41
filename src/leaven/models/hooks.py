"""Hidden states at a place of a text: what the probe of layers looks at."""

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
    for text, (start, end) in zip(texts, spans, strict=True):
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, return_tensors="pt")
        places = [i for i, (a, b) in enumerate(encoded["offset_mapping"][0].tolist()) if a < end and b > start]
        if not places:
            raise UserError(f"no token lies at characters {start} to {end} of {text!r}", "Check the span.")
        ids = encoded["input_ids"].to(model.device)
        states = model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
        states_of_texts.append(torch.stack([state[0, places].float().mean(0).cpu() for state in states]))
    return torch.stack(states_of_texts)
