"""A run is a folder: stages leave files, markers are written last, a log and a progress line say what happens."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from leaven.errors import UserError

DONE = "DONE"


class Advance(Protocol):
    """Tell how far the work is; `total`, a `note` and the `tokens` so far where they are known."""

    def __call__(self, done: int, total: int = 0, note: str = "", tokens: int = 0) -> None:
        """`done` of `total` units are done."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress on standard error: a moving line on a terminal, a plain line every few seconds elsewhere."""

    stream: TextIO
    every: float = 10.0

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        """Follow a piece of work: `with progress.track("tuning", 100, "steps") as advance: advance(1)`."""
        with self._rich(what, total, unit) if self.stream.isatty() else self._plain(what, total, unit) as advance:
            yield advance

    def say(self, line: str) -> None:
        """A line for the user, outside any piece of work."""
        print(line, file=self.stream, flush=True)

    @contextmanager
    def _plain(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        began = last = time.monotonic()
        size = total

        def advance(done: int, total: int = 0, note: str = "", tokens: int = 0) -> None:
            nonlocal last, size
            size = total or size
            if (now := time.monotonic()) - last < self.every:
                return
            last, elapsed = now, now - began
            left = f", {elapsed / done * (size - done):.0f} s left" if done and size else ""
            rate = f", {tokens / elapsed:,.0f} tokens/s" if tokens else ""
            share = f"{done:,} of {size:,}" if size else f"{done:,}"
            self.say(f"{what}: {share} {unit}{rate}{left}{', ' + note if note else ''}")

        yield advance

    @contextmanager
    def _rich(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn(unit + " {task.fields[note]}"))
        began = time.monotonic()
        console = Console(file=self.stream)
        with Bar(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(what, total=total or None, note="")

            def advance(done: int, total: int = 0, note: str = "", tokens: int = 0) -> None:
                rate = f"{tokens / (time.monotonic() - began):,.0f} tokens/s " if tokens else ""
                bar.update(task, completed=done, note=rate + note, total=total or None)

            yield advance


def stderr() -> Progress:
    """Progress to standard error."""
    return Progress(sys.stderr)


def stage(path: Path, make: Callable[[Path], None]) -> bool:
    """Make the file `path` unless it is there, whole or not at all; True if made."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    make(partial)
    partial.replace(path)
    return True


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str), encoding="utf-8")
    partial.replace(path)


def log(folder: Path, event: str, **values: Any) -> None:
    """Add a line to the run's log; one write, so that lines never mix."""
    line = json.dumps({"time": round(time.time(), 3), "event": event, **values}, ensure_ascii=False, default=str) + "\n"
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(line)


def close(folder: Path) -> None:
    """Write the marker that says that a folder is whole."""
    (folder / DONE).write_text("", encoding="utf-8")


def closed(folder: Path) -> bool:
    """Whether a folder is whole."""
    return (folder / DONE).exists()


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a run for this process; a lock left by a process that is gone is taken over.

    Raises UserError while another process works in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    if path.exists() and _alive(text := path.read_text(encoding="utf-8").strip()):
        raise UserError(
            f"another process (number {text}) works in {folder}", f"Wait for it, or choose another --out than {folder}."
        )
    path.write_text(str(os.getpid()), encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _alive(process: str) -> bool:
    if not process.isdigit() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
