"""`leaven quickstart`: a small, complete study on the lab."""

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli.resume import ContinueAnyway

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven quickstart --out runs/quickstart")
def quickstart(
    out: Annotated[str, typer.Option("--out", "-o", help="The folder of the run.")] = "runs/quickstart",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 3,
    continue_anyway: ContinueAnyway = False,
) -> None:
    """Run a small, complete study on the lab, and write its report. Needs no download and no GPU."""
    from leaven.cli.work import carry_out
    from leaven.study import recipe as recipes

    recipe = recipes.read(recipes.shipped("quickstart"), {"out": out, "seeds": list(range(seeds))})
    carry_out(recipe, Path(out), continue_anyway=continue_anyway)
