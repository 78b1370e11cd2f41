"""`leaven reproduce`: the tables and figures of the DELIA paper, ours beside the paper's."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leaven.cli.resume import ContinueAnyway

if TYPE_CHECKING:
    import polars as pl

    from leaven.view.reproduction import Section

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven reproduce table2 --seeds 3 --out runs/reproduce-lab")
def reproduce(
    what: Annotated[
        str, typer.Argument(help="table1 to table4, table4-translation, figure2 to figure4, demo, gradients or all.")
    ],
    scale: Annotated[
        str, typer.Option(help="lab, or paper: lists the recipes for models of the paper's size, which need a GPU.")
    ] = "lab",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; a finished reproduction may grow by more.")] = 3,
    split: Annotated[str, typer.Option(help="The lab's rows: test, or dev for choosing settings.")] = "test",
    first_seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    out: Annotated[str, typer.Option(help="The folder of the run.")] = "runs/reproduce-lab",
    continue_anyway: ContinueAnyway = False,
) -> None:
    """Reproduce tables and figures of the DELIA paper, with fair controls, intervals, and a verdict on each claim.

    Cells that several tables need are computed once. The same command continues a run that was stopped.
    """
    from leaven.errors import UserError, nearest
    from leaven.study import reproduce as studies
    from leaven.study import reproduction
    from leaven.view import reproduction as pages

    if scale == "paper":
        return _paper_scale()
    if scale != "lab":
        raise UserError(f"--scale is {scale!r}", nearest(scale, ["lab", "paper"]))
    wanted = reproduction.names() if what == "all" else [what]
    chosen, folder = list(range(first_seed, first_seed + seeds)), Path(out)
    drawn = f"{seeds} seed{'s' if seeds > 1 else ''}"
    about = f"lab (a model of 2.4 million parameters), {drawn}, split {split}"
    sections = {}
    for study in dict.fromkeys(reproduction.spec(name)["study"] for name in wanted):
        needed = [name for name in wanted if reproduction.spec(name)["study"] == study]
        scores = studies.scores(study, needed, chosen, folder, split, continue_anyway)
        for name in needed:
            sections[name] = _show(name, scores, folder, about)
    if what == "all":
        page = pages.page([sections[name] for name in wanted])
        (folder / "results.md").write_text(page, encoding="utf-8")
    print(f"Next: read {folder}/{what if what != 'all' else 'results'}.md, or leaven report {folder}/format.")
    return None


def _show(name: str, scores: "pl.DataFrame", folder: Path, scale: str) -> "Section":
    """Write and print one table or figure, and return it."""
    from rich.console import Console

    from leaven.study import reproduction
    from leaven.view import reproduction as pages

    spec, console = reproduction.spec(name), Console()
    console.width = max(console.width, 150)  # the tables have many columns; a narrower terminal wraps whole lines
    tables = reproduction.tables(name, scores) if "rows" in spec else []
    points = list(reproduction.points(name, scores)) if "series" in spec else []
    section = pages.Section(name, spec, tables, points, reproduction.claims(name, scores), scale)
    (folder / f"{name}.md").write_text(pages.markdown(section), encoding="utf-8")
    if points:
        pages.chart(section, folder / name)
        print(f"{spec['title']}: {folder / name}.svg")
    for table in tables:
        console.print(pages.terminal(table))
    for claim in section.claims:
        print(f"{claim.text} ({pages.SETTINGS[claim.preset]}): {claim.verdict}")
    print()
    return section


def _paper_scale() -> None:
    from leaven.study.recipe import RECIPES as FOLDER

    print(
        "These recipes have the papers' exact settings, and the same for newer models; each needs a GPU and your files:"
    )
    for path in sorted(FOLDER.glob("paper-*.yaml")):
        print(
            f"  leaven study {path.stem}\n      {path.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}"
        )
