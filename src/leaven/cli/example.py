"""`leaven example`: task rows to look at, and to begin with."""

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven example list -o task.jsonl; then: leaven delia task.jsonl --model smollm2")
def example(
    name: Annotated[
        str,
        typer.Argument(
            help="json, list, label: about 50 rows each; lab: for the model `lab`; own: a model's own answers."
        ),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="The file to write, or - for standard output.")] = "-",
    model: Annotated[str, typer.Option(help="Who answers the questions of `own`: smollm2, a folder, a hub id.")] = "",
) -> None:
    """Write a small task: questions, and answers that show what the token is to mean."""
    from leaven.rows import files
    from leaven.study import examples

    files.write(examples.rows(name, model), out, "prompt-completion")
