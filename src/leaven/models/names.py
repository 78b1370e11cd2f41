"""What a model's name stands for: `lab` ships with leaven, `smollm2` is got once, a .gguf file is converted once.

Any other name is a folder or a hub id, and taken as it is.
"""

from pathlib import Path

from leaven.errors import UserError
from leaven.models import shelf

LAB = Path(__file__).parent.parent / "lab" / "base"


def weights(name: str) -> str:
    """What the weights behind a name are, for results to say: a converted model is not the published one.

    >>> weights("Qwen/Qwen3-0.6B")
    'Qwen/Qwen3-0.6B'
    """
    from leaven.models import gguf

    place = Path(path(name))
    if place == LAB:
        return "lab, the tiny model that ships with leaven"
    about = gguf.about(place)
    if not about:
        return name
    return f"{about['source'] or about['file']}; {about['weights']}: not the published weights"


def path(name: str) -> str:
    """The folder or hub id of a model by its name.

    Raises UserError where the lab's model is not installed, and where one is to be got first (`leaven model get`).

    >>> path("Qwen/Qwen3-0.6B")
    'Qwen/Qwen3-0.6B'
    """
    if name in shelf.SHELF:
        if shelf.SHELF[name].embeds:
            raise UserError(f"{name} makes vectors of texts, and writes none", f"It is an embedder: --embedder {name}.")
        return shelf.path(name)
    if name.endswith(".gguf"):
        from leaven.models import gguf

        return str(gguf.folder_of(Path(name).expanduser()))
    if name != "lab":
        return name
    if not (LAB / "model.safetensors").is_file():
        raise UserError(f"the lab's model is not in {LAB}", "Make it anew: leaven lab pretrain --out FOLDER.")
    return str(LAB)


def check_folder(path: str) -> None:
    """Raises UserError for a path that is plainly no model: a file, a folder without config.json, nothing at all."""
    folder = Path(path).expanduser()
    if folder.is_file():
        raise UserError(f"{path} is a file, not a model", "Give the folder that holds config.json.")
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise UserError(f"{path} is not a model: it has no config.json", "Give the folder that holds config.json.")
    if not folder.exists() and (path.startswith((".", "/", "~")) or path.count("/") > 1):
        raise UserError(f"the model {path} does not exist", "Give a folder, or a hub id such as Qwen/Qwen3-0.6B.")


def check_adapter(folder: Path) -> None:
    """Raises UserError for a folder that holds no adapter of peft."""
    if not (folder / "adapter_config.json").is_file():
        raise UserError(f"{folder} is not an adapter", "An adapter folder holds adapter_config.json.")
