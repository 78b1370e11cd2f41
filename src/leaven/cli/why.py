"""`leaven why`: the story of a row."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven why runs/lifted 1024")
def why(
    run: Annotated[Path, typer.Argument(help="The folder of a finished lift.")],
    row: Annotated[str, typer.Argument(help="A row: its number, its place (data.jsonl:7), its id, or words of it.")],
) -> None:
    """Tell why a row of a lift was kept or not: where it came from, what each stage measured, what decided."""
    from leaven.lift import audit

    print("\n".join(audit.why(audit.read(run), row)))
