"""The lab's base model, as it ships: an ordinary checkpoint in a folder of the package."""

from pathlib import Path

from leaven.models import names


def path() -> Path:
    """The folder of the checkpoint."""
    return Path(names.path("lab"))
