"""`leaven report`: the report of a run, written again."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven report runs/quickstart --markdown")
def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    markdown: Annotated[bool, typer.Option(help="Print the main table as Markdown too.")] = False,
) -> None:
    """Write the report of a run again, from the files of the run alone."""
    from leaven.view import page, tables

    if (run / "audit.parquet").is_file():
        from leaven.view import lift

        print(f"Report: {lift.write(run)}")
        return
    summary = tables.read_summary(run)
    if markdown:
        print(tables.markdown(summary))
    print(f"Report: {page.write(run)}")
