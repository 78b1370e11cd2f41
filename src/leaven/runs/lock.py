"""One process at a time works in a folder: a lock of the operating system, which no death can leave behind."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from leaven.errors import UserError

NAME = "lock"
EVERY = 0.5
"""Seconds after which one that waits tries again."""


@contextmanager
def lock(folder: Path, wait: Callable[[str], object] | None = None) -> Iterator[None]:
    """Hold a folder for this process, which even a kill -9 lets go.

    The file `lock` in it says who holds it. Raises UserError with these words while another process works there; with
    `wait`, which is told them once, it is waited for. Example: `with lock(Path("runs/halu")): ...`
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    file = _acquire(path)
    if file is None and wait is not None:
        wait(f"{_owner(path)} works in {folder}, and is waited for.")
        while (file := _acquire(path)) is None:
            time.sleep(EVERY)
    if file is None:
        raise UserError(f"{_owner(path)} works in {folder}", f"Wait for it, or choose another --out than {folder}.")
    with file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%Y-%m-%d %H:%M')}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # before it is let go: who gets it then sees that its file is gone


def _acquire(path: Path) -> IO[str] | None:
    """The open file with the lock on it, or None while somebody else has it."""
    while True:
        file = path.open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return None
            raise
        if _same(file, path):
            return file
        file.close()  # its owner removed it between our open and our lock: take the one that is there now


def _same(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _owner(path: Path) -> str:
    try:
        return f"another process ({path.read_text(encoding='utf-8') or 'it just began'})"
    except FileNotFoundError:
        return "another process (it just ended)"
