"""`leaven check-serving`: whether engines answer as the tuned model does."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven check-serving serving --engine peft --engine llama_cpp")
def check_serving(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that leaven export-adapter has written.")],
    engine: Annotated[
        list[str] | None, typer.Option(help="Ask this engine only (leaven ls engines); may be given again.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="So many prompts with the token and without; 0: all.")] = 0,
) -> None:
    """Load an export in each engine at hand, and compare its answers with those of the tuned model in memory.

    The matrix is written into the folder as serving.md, too. The exit code is 1 where an engine differs or refuses.
    """
    from rich.console import Console

    from leaven import extras

    extras.require(*extras.STUDY)
    from leaven.models import names
    from leaven.runs import folder as runs
    from leaven.serving import check, export, matrix

    cells = list(check.check(out, engine or (), limit, lambda said: print(said, file=sys.stderr)))
    Console(width=None if sys.stdout.isatty() else 160).print(matrix.table(cells))
    runs.write_text(out / "serving.md", matrix.markdown(cells, names.weights(export.about(out)["base"])))
    if any(cell.verdict in (check.DIFFERS, check.REFUSED) for cell in cells):
        raise typer.Exit(1)
