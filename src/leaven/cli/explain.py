"""`leaven delia --explain`: what each part of DELIA is worth on a task, by a small study of 32 cells."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from leaven.cli.resume import stoppable

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from leaven.study.recipe import Recipe
    from leaven.study.shapley import Worth


def tell(recipe: "Recipe", folder: Path, split: str = "test", continue_anyway: bool = False) -> None:
    """Say how long it takes, run or continue the grid of cells in `folder`, and print the share of each part."""
    from leaven.api.proof import prove
    from leaven.cli.work import print_wide
    from leaven.runs import journal
    from leaven.study import explain
    from leaven.study.forecast import forecast_of

    grid = explain.grid(recipe)
    if not (folder / journal.NAME).exists():
        minutes = sum(stage.seconds for stage in forecast_of(grid, folder).stages()) / 60
        print(f"About {minutes:,.0f} minutes for {len(grid.methods) * len(grid.seeds)} cells.", file=sys.stderr)
    with stoppable():
        proof = prove(grid, folder, split=split, continue_anyway=continue_anyway)
    proof.report()
    print_wide(_table(proof.scores, explain.worths(proof.scores)), 140)
    over = " over questions alone: one seed" if len(grid.seeds) == 1 else ""
    print(
        f"Points of a hundred, each with its 95 % interval{over}. "
        f"The shares of a column add up to the difference of the last two lines. All cells: {folder}/report.html"
    )


def _table(scores: "pl.DataFrame", worths: "dict[str, list[Worth]]") -> "Table":
    from rich.table import Table

    from leaven.study import explain

    table = Table(title="What each part is worth (Shapley shares)", title_justify="left")
    table.add_column("part")
    for measure in worths:
        table.add_column(measure.replace("/", "\n"), justify="right")
    for label, cells in explain.lines(scores, worths):
        table.add_row(label, *cells, end_section=label == explain.PARTS[-1])
    return table
