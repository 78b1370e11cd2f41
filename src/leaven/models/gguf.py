"""A GGUF file as an ordinary folder of transformers: weights dequantised to bfloat16, tokenizer, chat template.

llama.cpp and its kin ship models as one quantised file, which can be read but not tuned. What comes out is whatever the
quantisation left: not the published weights, and `leaven.json` in the folder says so.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from leaven.errors import UserError, first_line
from leaven.runs.cache import cache_folder

ABOUT = "leaven.json"
CHUNK = 1 << 22


def folder_of(path: Path) -> Path:
    """The cache's folder for the model in a GGUF file, converted when it is asked for the first time."""
    folder = cache_folder() / "models" / f"{path.stem}-{sha256(path)[:12]}"
    if not (folder / ABOUT).is_file():
        convert(path, folder)
    return folder


def convert(path: Path, folder: Path, source: str = "") -> None:
    """Write the model of a GGUF file into a folder, whole or not at all; `source` is where the file came from.

    Raises UserError for a file that can't be read, and where the package gguf is not installed.
    """
    _check(path)
    named: dict[str, Any] = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**named)
        loaded = AutoModelForCausalLM.from_pretrained(**named, dtype=torch.float32)
    except (ImportError, OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} can't be converted: {first_line(error)}", "Is it a causal language model?") from error
    if not tokenizer.chat_template:
        raise UserError(f"{path} has no chat template", "Take the -Instruct file of the model.")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    _plain(loaded).save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    about = {"file": path.name, "sha256": sha256(path), "source": source, "weights": "dequantised from GGUF, bfloat16"}
    (partial / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(folder)


def about(folder: Path) -> dict[str, str]:
    """What a converted folder says of its weights; nothing for any other folder."""
    path = folder / ABOUT
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def sha256(path: Path) -> str:
    """The file's hash, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _check(path: Path) -> None:
    try:
        import gguf  # noqa: F401
    except ImportError:
        hint = "pip install 'leaven[gguf]'"
        raise UserError("GGUF files are read by the package gguf, and it is not installed", hint) from None
    if not path.is_file():
        raise UserError(f"{path} does not exist", "Name a GGUF file.")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise UserError(
                f"{path} is not a GGUF file", "Name a file that llama.cpp reads, or a folder of transformers."
            )


def _plain(loaded: Any) -> Any:
    """The same weights in a model that knows nothing of its quantisation: `save_pretrained` refuses the other."""
    settings = loaded.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        settings.pop(key, None)
    config = AutoConfig.for_model(**settings)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict({name: weight.to(torch.bfloat16) for name, weight in loaded.state_dict().items()})
    model.tie_weights()
    return model
