"""The matrix of `leaven check-serving`, for the terminal and in Markdown: a line for each engine and artefact."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from leaven import plugs
from leaven.runs import folder as runs
from leaven.serving import export
from leaven.serving.check import Cell

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {"same": "green", "differs": "yellow", "refused": "red", "not here": "dim"}


def table(cells: Sequence[Cell]) -> "Table":
    """The matrix for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table("engine", "artefact", "answers", "how", box=box.SIMPLE_HEAD)
    for cell in cells:
        words = (Text(cell.engine), Text(cell.artefact), Text(cell.verdict, COLOURS[cell.verdict]), Text(cell.detail))
        grid.add_row(*words)  # an engine's own words may hold [/INST], which would be markup
    return grid


def write(cells: Sequence[Cell], out: Path, about: str) -> None:
    """Write the matrix into the folder of an export: an engine that is not asked this time keeps its line."""
    path, day = out / export.ANSWERS, time.strftime("%Y-%m-%d")
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    lines = {(line["engine"], line["artefact"]): line for line in before}
    for cell in cells:
        lines[cell.engine, cell.artefact] = {**asdict(cell), "version": _version(cell.engine), "day": day}
    every = [line for _, line in sorted(lines.items())]
    runs.write_json(path, every)
    keys = ("artefact", "verdict", "detail", "day")
    rows = (_row(f"{line['engine']}{line['version']}", *(line[key] for key in keys)) for line in every)
    table = ["| engine | artefact | answers | how | asked |", "|---|---|---|---|---|", *rows]
    runs.write_text(out / export.PAGE, "\n".join([f"{about}.\n", *table]) + "\n")


def _row(*cells: str) -> str:
    """A line of the table; a bar within a cell, as of the token <|sep|>, begins no other."""
    return " | ".join(["", *(cell.replace("|", r"\|") for cell in cells), ""]).strip()


def _version(engine: str) -> str:
    if engine not in map(plugs.title, plugs.names("engines")):
        return ""  # a server that runs elsewhere
    package = plugs.load("engines", engine).PACKAGES[0]
    try:
        return f" ({package} {version(package)})"
    except PackageNotFoundError:
        return ""
