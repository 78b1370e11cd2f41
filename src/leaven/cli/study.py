"""`leaven study`: run or continue a study from a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from leaven import section
from leaven.cli import flags
from leaven.cli import rows as reading
from leaven.cli.resume import ContinueAnyway
from leaven.scale.settings import ScaleSection

ReportTo = Annotated[
    list[str] | None,
    typer.Option(help="Send losses and scores to trackio, wandb or tensorboard; may be given again."),
]


app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven study lab-defaults --out runs/defaults")
@flags.added(flags.of(ScaleSection, "Beyond one machine"))
def study(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of one that ships (leaven ls recipes).")],
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="The folder of the run; overrides the recipe's `out`.")
    ] = None,
    strict: reading.Strict = False,
    split: Annotated[str, typer.Option(help="The lab's rows: test, or dev for choosing settings.")] = "test",
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say instead what each part of its delia is worth: a small study of 32 cells."),
    ] = False,
    report_to: ReportTo = None,
    continue_anyway: ContinueAnyway = False,
) -> None:
    """Run a study from a recipe: methods × sizes × seeds. The same command continues one that was stopped.

    A study may grow: name more seeds or methods in its recipe, and only their cells are computed.
    """
    from leaven.cli.explain import tell
    from leaven.cli.work import carry_out
    from leaven.study import recipe as recipes

    said = {"out": out, "strict": strict, "report_to": report_to}
    changes = {name: value for name, value in said.items() if value}
    checked = recipes.read(recipes.shipped(recipe), changes)
    scale = {**checked.scale.model_dump(), **flags.given(ScaleSection, context.params)}
    checked = checked.model_copy(update={"scale": section.checked(ScaleSection, scale, "the command line")})
    if explain:
        return tell(checked, Path(checked.out) / "explain", split, continue_anyway)
    carry_out(checked, Path(checked.out), split, continue_anyway)
