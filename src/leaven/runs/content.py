"""What went into a run, by content: a file by its bytes, a model by its weights, code by its version; never by a path.

`named(settings)` is a copy of settings in which each text that names a file or a model's folder is the name with a hash
of what is in it, so that a moved file is the same and an edited one is another:

    {"task": "rows/task.jsonl", "size": 100}
    {"task": {"name": "task.jsonl", "content": "3f786850e387550f"}, "size": 100}
"""

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

WEIGHTS = (".safetensors", ".gguf", ".bin")
LARGE = 256 * 2**20
BLOCKS, BLOCK = 4096, 4096
"""Of weights larger than LARGE so many blocks of so many bytes are read, evenly spread: training moves all of them."""
MODEL_FILES = (".json", ".jinja", ".model", ".txt", *WEIGHTS)
_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def named(value: Any) -> Any:
    """The settings as JSON would hold them, with name and content where a text names a file or a model."""
    if isinstance(value, Mapping):
        return {str(key): named(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [named(item) for item in value]
    return _named_text(value) if isinstance(value, str) else value


def leaf(name: str, content: str) -> dict[str, str]:
    """Something that is known by its content, and called by its name."""
    return {"name": name, "content": content}


def key(*about: Any) -> str:
    """Letters that stand for what a file is made from; in its name, they part it from what other settings make.

    >>> key({"seed": 1, "temperature": 0.7})
    '2aa5f6cc30'
    """
    text = json.dumps(_contents(named(about)), sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def _contents(value: Any) -> Any:
    """The values with contents alone where there are names too."""
    if isinstance(value, dict):
        return value["content"] if set(value) == {"name", "content"} else {k: _contents(v) for k, v in value.items()}
    return [_contents(item) for item in value] if isinstance(value, list) else value


def rows(lines: Iterable[str]) -> str:
    """The hash of rows that come from no file."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()[:16]


def versions(*packages: str) -> dict[str, str]:
    """The versions of leaven and of those of the packages that are installed."""
    numbers = {}
    for name in ("leaven", *packages):
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return numbers


def of(path: Path) -> str:
    """Sixteen letters that stand for the content of a file or of a model's folder."""
    digest = hashlib.sha256()
    inside = sorted(file for file in path.iterdir() if file.suffix in MODEL_FILES) if path.is_dir() else [path]
    for file in inside:
        if path.is_dir():
            digest.update(f"{file.name}\n".encode())
        for block in _blocks(file):
            digest.update(block)
    return digest.hexdigest()[:16]


def _named_text(text: str) -> Any:
    if len(text) > 1000 or "\n" in text:
        return text
    # data.jsonl · hf:FOLDER, vllm:FOLDER and scripted:FILE · table.parquet:COLUMN and mine.py:MODEL
    for part in (text, text.partition(":")[2], text.rpartition(":")[0]):
        if ("." in part or os.sep in part) and (path := _place(part)):
            return leaf(text.replace(part, path.resolve().name), of(path))
    commit = commit_of(text.partition(":")[2] if text.startswith(("hf:", "vllm:", "st:")) else text)
    return leaf(text, commit[:16]) if commit else text


def _place(text: str) -> Path | None:
    """The file, or the folder of a model, at a path; None for words, be they longer than a path may be."""
    try:
        path = Path(text).expanduser()
        return path if path.is_file() or (path / "config.json").is_file() else None
    except RuntimeError:  # a word that begins with ~ is the home of nobody
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise


def commit_of(model: str) -> str:
    """The commit of a model of the hub, `ORG/NAME` or `ORG/NAME@REVISION`, that was downloaded.

    A revision is a branch, a tag or a commit, as Hugging Face has it. "" where the model was not downloaded, or the
    text is something else.
    """
    match = _HUB_ID.fullmatch(model)
    if not match:
        return ""
    name, revision = match[1], match[2] or "main"
    if _COMMIT.fullmatch(revision):
        return revision
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    path = cache / f"models--{name.replace('/', '--')}" / "refs" / revision
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _blocks(path: Path) -> Iterator[bytes]:
    """All of a file, or of large weights the size and some blocks."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if path.suffix not in WEIGHTS or size <= LARGE:
            while block := file.read(2**20):
                yield block
            return
        yield json.dumps(size).encode()
        for number in range(BLOCKS):
            file.seek(number * (size - BLOCK) // (BLOCKS - 1))
            yield file.read(BLOCK)
