"""What the commands share that can be gone on with: the flag, and the journal of those that write one file."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from leaven.cli.main import STOPPED
from leaven.runs import content, journal

ContinueAnyway = Annotated[
    bool,
    typer.Option(
        "--continue-anyway",
        help="Go on with a run although data, settings or versions have changed since; the report says so.",
    ),
]
HINT = "Name another file (-o), or write over it with --continue-anyway."


@contextmanager
def stoppable() -> Iterator[None]:
    """Work that Ctrl-C ends with a sentence and the exit code of that signal, since it can be gone on with."""
    try:
        yield
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        raise SystemExit(STOPPED) from None


def begin(
    out: str, settings: Mapping[str, Any], packages: tuple[str, ...], *, begun: bool, continue_anyway: bool
) -> bool:
    """Whether the file `out` is still to be made; what it is made from is in its journal, `OUT.run.json`.

    Where something was `begun`, what has changed since is named by a UserError; only `n`, how many rows, may change.
    """
    if "-" in (out, settings.get("data")):
        return True  # a pipe has no journal
    path = journal_of(out)
    if not begun:
        path.unlink(missing_ok=True)
    identity = {"settings": content.named(settings), "versions": content.versions(*packages)}
    finished = journal.claim(path, identity, free=("n",), continue_anyway=continue_anyway, hint=HINT)
    if finished and Path(out).is_file():
        print(f"{out}: finished at {finished}, nothing to do.")
        return False
    return True


def finish(out: str, whole: bool) -> None:
    """Write down that the file is finished, where it is whole, and say what it was continued over."""
    if not journal_of(out).is_file():
        return
    for note in journal.notes(journal_of(out)):
        print(note, file=sys.stderr)
    if whole:
        journal.finish(journal_of(out))


def journal_of(out: str) -> Path:
    """The journal of a run that makes one file."""
    return Path(f"{out}.run.json")
