"""What a model's name stands for: `lab` is the small model that ships with leaven; any other name is taken as it is."""

from pathlib import Path

from leaven.errors import UserError

LAB = Path(__file__).parent.parent / "lab" / "base"


def path(name: str) -> str:
    """The folder or hub id of a model by its name. Raises UserError where the lab's model is not installed.

    >>> path("Qwen/Qwen3-0.6B")
    'Qwen/Qwen3-0.6B'
    """
    if name != "lab":
        return name
    if not (LAB / "model.safetensors").is_file():
        raise UserError(f"the lab's model is not in {LAB}", "Make it anew: leaven lab pretrain --out FOLDER.")
    return str(LAB)
