"""The matrix of `leaven check-serving`, for the terminal and in Markdown: a line for each engine and artefact."""

import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from leaven import plugs
from leaven.serving.check import Cell

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {"same": "green", "differs": "yellow", "refused": "red", "not here": "dim"}


def table(cells: Sequence[Cell]) -> "Table":
    """The matrix for a terminal."""
    from rich import box
    from rich.table import Table

    shown = Table("engine", "artefact", "answers", "how", box=box.SIMPLE_HEAD)
    for cell in cells:
        shown.add_row(cell.engine, cell.artefact, f"[{COLOURS[cell.verdict]}]{cell.verdict}[/]", cell.detail)
    return shown


def markdown(cells: Sequence[Cell], about: str) -> str:
    """The matrix in Markdown, with the versions of the engines and the day."""
    lines = [
        f"{about}, {time.strftime('%Y-%m-%d')}.\n",
        "| engine | artefact | answers | how |",
        "|---|---|---|---|",
        *(f"| {_versioned(cell.engine)} | {cell.artefact} | {cell.verdict} | {cell.detail} |" for cell in cells),
    ]
    return "\n".join(lines) + "\n"


def _versioned(engine: str) -> str:
    if engine not in map(plugs.title, plugs.names("engines")):
        return engine  # a server that runs elsewhere
    package = plugs.load("engines", engine).PACKAGES[0]
    try:
        return f"{engine} ({package} {version(package)})"
    except PackageNotFoundError:
        return engine
