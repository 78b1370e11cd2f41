"""Latent semantic analysis: TF-IDF, then a truncated SVD. Offline and quick, by words alone; lsa:512 is 512 wide.

What words mean is learnt from the rows themselves, so a vector depends on all texts that it was made with. For near
copies and k-centre it serves; variety makes its columns, which are hardly correlated, equally wide, and keeps the
shortest rows by them.
"""

from collections.abc import Callable, Sequence

import numpy as np

from leaven.errors import UserError
from leaven.lift.vectors import Array

PER_TEXT = False
PACKAGES = ("sklearn",)
WIDTH, FEATURES = 256, 50_000


def load(model: str) -> Callable[[Sequence[str]], Array]:
    """The embedder of this width."""
    if model and not (model.isdigit() and int(model) > 0):
        raise UserError(f"lsa:{model} is no width", "Write lsa, or lsa:512 for 512 numbers a row.")
    width = int(model or WIDTH)
    return lambda texts: embed(texts, width)


def embed(texts: Sequence[str], width: int) -> Array:
    """Vectors of length one, (texts, width or as many as the texts have words), the same on every call."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.utils.extmath import randomized_svd
    except ImportError:
        raise UserError("lsa needs scikit-learn", "pip install 'leaven[curate]'") from None
    words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\w+", max_features=FEATURES, dtype=np.float32)
    try:
        table = words.fit_transform(texts)  # (texts, words), sparse
    except ValueError:
        raise UserError("the rows hold no words, so that lsa has nothing to embed", "Bring --embeddings.") from None
    left, values, _ = randomized_svd(table, min(width, *table.shape), random_state=0)
    coordinates: Array = np.ascontiguousarray(left * values, np.float32)
    coordinates /= np.maximum(np.linalg.norm(coordinates, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return coordinates
