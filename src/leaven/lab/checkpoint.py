"""The lab's base model, as it ships: an ordinary checkpoint in a folder of the package."""

from pathlib import Path

from leaven.errors import UserError


def path() -> Path:
    """The folder of the checkpoint."""
    folder = Path(__file__).parent / "base"
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"the lab's model is not in {folder}", "Make it anew: leaven lab pretrain --out FOLDER.")
    return folder
