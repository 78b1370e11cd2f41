"""How far the work is: a moving line on a terminal, a plain line every few seconds elsewhere, and a file of the run."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TextIO

from leaven.runs import folder as runs

logger = logging.getLogger(__name__)

FILE = "progress.json"
"""In a run's folder, what is under way; it is there no longer than the work."""
TOLD = 0.02
"""From this share on the time that is left is told by the time so far: the first of many tells what the start takes."""
_said: set[str] = set()
"""The lines of `say_once` that the run under way has said."""


class Advance(Protocol):
    """Tell how far the work is; `total`, a `note` and the `tokens` so far where they are known."""

    def __call__(self, done: int, total: int = 0, note: str = "", tokens: int = 0) -> None:
        """`done` of `total` units are done."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress on standard error: a moving line on a terminal, a plain line every few seconds elsewhere.

    In the `folder` of a run it is written down too, once a second at most, for whoever looks at the run.
    """

    stream: TextIO
    every: float = 10.0
    folder: Path | None = None

    def within(self, folder: Path) -> "Progress":
        """The progress of a run in this folder."""
        return replace(self, folder=folder)

    def __reduce__(self) -> tuple[Callable[[], "Progress"], tuple[()]]:
        """On another machine it goes to that one's standard error: a stream can't be sent."""
        return stderr, ()

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        """Follow a piece of work: `with progress.track("tuning", 100, "steps") as advance: advance(1)`."""
        with self._rich(what, total, unit) if self.stream.isatty() else self._plain(what, total, unit) as advance:
            if self.folder is None:
                yield advance
            else:
                with _written(advance, self.folder, {"what": what, "total": total, "unit": unit}) as noted:
                    yield noted

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
            left = f", {elapsed / done * (size - done):.0f} s left" if size * TOLD <= done < size else ""
            rate = f", {tokens / elapsed:,.0f} tokens/s" if tokens else ""
            share = f"{done:,} of {size:,}" if size >= done else f"{done:,}"
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
                bar.update(task, completed=done, note=rate + note, total=total if total >= done else None)

            yield advance


@contextmanager
def _written(advance: Advance, folder: Path, about: dict[str, str | int]) -> Iterator[Advance]:
    """The same, and how far the work is in a file, as long as it lasts; there is none before the folder is."""
    began = last = time.time()

    def noted(done: int, total: int = 0, note: str = "", tokens: int = 0) -> None:
        nonlocal last
        advance(done, total, note, tokens)
        about["total"] = total or about["total"]
        if (now := time.time()) - last >= 1 and folder.is_dir():
            last, state = now, {"done": done, "note": note, "tokens": tokens, "seconds": now - began, "time": now}
            runs.write_json(folder / FILE, {**about, **state})

    try:
        yield noted
    finally:
        (folder / FILE).unlink(missing_ok=True)


@contextmanager
def one_run() -> Iterator[None]:
    """Around a run, or as the decorator of what carries one out: lines that were said before are said again in it."""
    _said.clear()
    try:
        yield
    finally:
        _said.clear()


def say_once(line: str) -> None:
    """A line for the user which every training, or every asking, of one run would say again."""
    if line not in _said:
        _said.add(line)
        logger.warning(line)


def stderr() -> Progress:
    """Progress to standard error."""
    return Progress(sys.stderr)
