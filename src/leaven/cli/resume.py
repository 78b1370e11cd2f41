"""What the commands share that can be gone on with: the flag, and the journal of those that write one file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

ContinueAnyway = Annotated[
    bool,
    typer.Option(
        "--continue-anyway",
        help="Go on with a run although data, settings or versions have changed since; the report says so.",
    ),
]
HINT = "Name another --out, or write over it with --continue-anyway."


@contextmanager
def one_file(
    out: str, settings: Mapping[str, Any], packages: tuple[str, ...], continue_anyway: bool, free: tuple[str, ...] = ()
) -> Iterator[bool]:
    """Whether the work for the file `out` is still to be done; its journal is `OUT.run.json`, kept whole around it.

    Raises UserError that names what has changed since `out` was made or begun.
    """
    from leaven.runs import content, journal

    path = Path(f"{out}.run.json")
    if out == "-":
        yield True
        return
    identity = {"settings": content.named(settings), "versions": content.versions(*packages)}
    finished = journal.claim(path, identity, free=free, continue_anyway=continue_anyway, hint=HINT)
    if finished and Path(out).is_file():
        print(f"{out}: finished at {finished}, nothing to do.")
        yield False
        return
    yield True
    journal.finish(path)
