"""A run is a folder: files are there whole or not at all, a marker is written last, a log says what happened."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from leaven.errors import UserError

DONE = "DONE"
LOG = "log.jsonl"
MARKS = {"study": "cells", "lift": "stages"}
"""What only a run of each kind has in its folder."""


def write(path: Path, make: Callable[[Path], object]) -> None:
    """Let `make` write a file, which is there whole or not at all: `write(path, frame.write_parquet)`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        make(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def stage(path: Path, make: Callable[[Path], object]) -> bool:
    """Write the file `path` unless it is there; True if it was written."""
    if path.exists():
        return False
    write(path, make)
    return True


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str))


def append(path: Path, values: Mapping[str, Any]) -> None:
    """Add a line of JSON to a file: one write, so that lines never mix, on a fresh line even after a torn one."""
    line = json.dumps(values, ensure_ascii=False, default=str) + "\n"
    with path.open("ab+") as file:
        torn = file.tell() > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"
        file.write(b"\n" * torn + line.encode("utf-8", "surrogatepass"))


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file that `append` writes; one that a kill or a full disk tore is left out."""
    for line in path.read_bytes().split(b"\n") if path.is_file() else ():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict):
            yield values


def log(folder: Path, event: str, **values: Any) -> None:
    """Add a line to the run's log."""
    append(folder / LOG, {"time": round(time.time(), 3), "event": event, **values})


def events(folder: Path, event: str) -> Iterator[dict[str, Any]]:
    """The lines of the log about one kind of event."""
    return (line for line in lines(folder / LOG) if line.get("event") == event)


def close(folder: Path) -> None:
    """Write the marker that says that a folder is whole, and since when."""
    write_text(folder / DONE, time.strftime("%Y-%m-%d %H:%M"))


def closed(folder: Path) -> bool:
    """Whether a folder is whole."""
    return (folder / DONE).exists()


def unfinished(folder: Path, kind: Literal["lift", "study"]) -> UserError:
    """What to say of a folder that holds no finished run of a kind: it is none, another kind's, or not at its end."""
    if not folder.exists():
        return UserError(f"{folder} does not exist", f"Name the folder of a {kind}; `--out` said where it is.")
    other = "study" if kind == "lift" else "lift"
    if (folder / MARKS[other]).exists():
        return UserError(f"{folder} is a {other}, and no {kind}", f"Look at it: leaven view {folder}")
    command = "leaven lift DATA" if kind == "lift" else "leaven study RECIPE"
    return UserError(
        f"{folder} holds no finished {kind}",
        f"Run it to its end first, by the same command again: {command} --out {folder}",
    )


def finished(folder: Path) -> str:
    """When the folder was closed, for example "2026-11-21 14:03"."""
    path = folder / DONE
    minute = time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
    return path.read_text(encoding="utf-8") or minute  # the marker of an earlier leaven was empty


def reopen(folder: Path) -> None:
    """Take the marker away before a finished run is gone on with."""
    (folder / DONE).unlink(missing_ok=True)
