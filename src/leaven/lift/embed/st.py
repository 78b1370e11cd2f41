"""A model of sentence-transformers, in this process: st:MODEL, a folder, or a hub id, ORG/NAME or ORG/NAME@REVISION."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.errors import UserError
from leaven.lift.vectors import Array
from leaven.runs import content

PER_TEXT = True
PACKAGES = ("sentence_transformers",)


def pinned(model: str) -> str:
    """The model with the commit that it is on this machine, ORG/NAME@COMMIT; a folder as it is.

    So the store tells revisions apart, and what was downloaded serves until another revision is named. A model that
    was not downloaded yet is: before that, nothing here tells which commit it is.
    """
    if not model or Path(model).expanduser().exists():
        return model
    if not content.commit_of(model):
        _open(model)
    commit = content.commit_of(model)
    return f"{model.partition('@')[0]}@{commit}" if commit else model


def load(model: str) -> Callable[[Sequence[str]], Array]:
    """The embedder of this model; texts longer than it reads are cut, as sentence-transformers does."""
    loaded = _open(model)

    def embed(texts: Sequence[str]) -> Array:
        return np.asarray(loaded.encode(list(texts), convert_to_numpy=True, show_progress_bar=False), np.float32)

    return embed


def _open(model: str) -> Any:
    if not model:
        raise UserError("st names no model", "Write st:MODEL, for example st:sentence-transformers/all-MiniLM-L6-v2.")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise UserError("st needs sentence-transformers", "pip install 'leaven[embed]'") from None
    try:
        folder = Path(model).expanduser().exists()
        place, _, revision = (model, "", "") if folder else model.partition("@")
        return SentenceTransformer(place, revision=revision or None)
    except (OSError, ValueError) as error:
        why = str(error).split("\n")[0]
        raise UserError(f"st:{model} can't be loaded: {why}", "Check the name and the network.") from error
