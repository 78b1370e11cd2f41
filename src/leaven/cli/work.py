"""What the commands that train share: resolve the sources, run the study, write the report, say what was made."""

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from leaven.cli.resume import stoppable
from leaven.errors import UserError
from leaven.study.recipe import Recipe

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


S = TypeVar("S", bound=BaseModel)


def carry_out(recipe: Recipe, folder: Path, split: str = "test", continue_anyway: bool = False) -> None:
    """Run the study and end with a small table, the report, and the next command."""
    from leaven import extras

    extras.require(*extras.STUDY)
    from leaven.api.proof import prove
    from leaven.view import tables

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    began = time.perf_counter()
    with stoppable():
        proof = prove(recipe, folder, split=split, continue_anyway=continue_anyway)
    proof.report()
    print_wide(proof, 120)  # the table fits 80 columns, its sentences take more
    if proof.left_out:
        print(proof.left_out)
    print(tables.ending(folder, proof.summary, time.perf_counter() - began))


def print_wide(drawing: "RenderableType", width: int) -> None:
    """Print as wide as the terminal is, and into a file or a pipe, which rich takes for 80 columns, in this width."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else width).print(drawing)


def refuse_taken(out: Path) -> None:
    """Raises UserError for a folder to make that is there already, and not empty."""
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} is there already", "Name another folder, or remove it.")


def checked(section: type[S], flags: Mapping[str, Any], **more: Any) -> S:
    """The section of a command's flags. Raises UserError that names each flag that can't be."""
    try:
        return section.model_validate({**flags, **more})
    except ValidationError as error:
        faults = [f"--{str(e['loc'][0]).replace('_', '-')} is {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise UserError("; ".join(faults), "--help tells what each flag takes.") from None


def mix_table(title: str, mix: dict[str, Any]) -> "Table":
    """What each source brings to a mixture."""
    from rich.table import Table

    columns = ("rows", "tokens", "trained_tokens", "row_share", "token_share", "steps_touched")
    table = Table(title=title, title_justify="left")
    table.add_column("source")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for part in mix["mix"]:
        values = (part[column] for column in columns)
        table.add_row(part["source"], *(f"{v:.1%}" if isinstance(v, float) else f"{v:,}" for v in values))
    return table
