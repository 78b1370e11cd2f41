"""Where leaven keeps what is dear to make anew: paid replies, embeddings, converted models."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder LEAVEN_CACHE, else `leaven` beside the user's other caches (XDG_CACHE_HOME, or ~/.cache)."""
    named = os.environ.get("LEAVEN_CACHE")
    return Path(named or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "leaven").expanduser()
