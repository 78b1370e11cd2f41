"""all-MiniLM-L6-v2, a small sentence encoder, in this process: 384 wide; `leaven model get minilm` brings it.

A vector is the mean of the last hidden states over the tokens (256 at most), of length one. Texts are read one by one,
so that a vector depends on its text alone, to the last bit, and a run that is gone on with is the run that was begun.
"""

from collections.abc import Callable, Sequence

import numpy as np

from leaven.errors import UserError
from leaven.lift.vectors import Array
from leaven.models import shelf

PER_TEXT = True
PACKAGES = ("torch", "transformers")
LONGEST = 256
"""Tokens, with those that begin and end a text: what the model was made for."""


def check(model: str) -> None:
    """Raises UserError where the model is not on this machine, or is called by a name that it has not."""
    if model:
        raise UserError(f"minilm:{model} is no model", "Write minilm; for others: st:MODEL.")
    shelf.path("minilm")


def load(model: str) -> Callable[[Sequence[str]], Array]:
    """The embedder, on a GPU where there is one."""
    check(model)
    import torch
    from transformers import AutoModel, AutoTokenizer

    from leaven.models.load import foreign_errors

    folder = shelf.path("minilm")
    with foreign_errors(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        encoder = AutoModel.from_pretrained(folder).eval().to("cuda" if torch.cuda.is_available() else "cpu")

    def vector(text: str) -> Array:
        words = tokenizer(text, truncation=True, max_length=LONGEST, return_tensors="pt").to(encoder.device)
        mean = encoder(**words).last_hidden_state[0].mean(0)
        unit: Array = torch.nn.functional.normalize(mean, dim=0).cpu().numpy()
        return unit

    def embed(texts: Sequence[str]) -> Array:
        with torch.inference_mode():
            return np.stack([vector(text) for text in texts])

    return embed
