"""A model of sentence-transformers, in this process: st:MODEL, a folder or a hub id."""

from collections.abc import Callable, Sequence

import numpy as np

from leaven.errors import UserError
from leaven.lift.vectors import Array

PER_TEXT = True
PACKAGES = ("sentence_transformers",)


def load(model: str) -> Callable[[Sequence[str]], Array]:
    """The embedder of this model; texts longer than it reads are cut, as sentence-transformers does."""
    if not model:
        raise UserError("st names no model", "Write st:MODEL, for example st:sentence-transformers/all-MiniLM-L6-v2.")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise UserError("st needs sentence-transformers", "pip install 'leaven[embed]'") from None
    try:
        loaded = SentenceTransformer(model)
    except (OSError, ValueError) as error:
        why = str(error).split("\n")[0]
        raise UserError(f"st:{model} can't be loaded: {why}", "Check the name and the network.") from error

    def embed(texts: Sequence[str]) -> Array:
        return np.asarray(loaded.encode(list(texts), convert_to_numpy=True, show_progress_bar=False), np.float32)

    return embed
