"""`leaven export-adapter`: a tuned adapter as folders that every engine takes."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven export-adapter runs/delia -o serving")
def export_adapter(
    run: Annotated[Path, typer.Argument(help="A run, one of its cells, or the folder of an adapter.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    cell: Annotated[str, typer.Option(help="Which cell of a run; by default the first of the study's method.")] = "",
    model: Annotated[str, typer.Option(help="The base model; by default the one that the adapter names.")] = "",
) -> None:
    """Write an adapter as plain LoRA, merged and as GGUF files, with a model card; the base too if it has grown."""
    from leaven import extras
    from leaven.cli.work import refuse_taken
    from leaven.serving import source

    extras.require(*extras.STUDY)
    refuse_taken(out)
    adapter = source.find(run, model, cell)
    print(f"The adapter: {adapter.adapter}", file=sys.stderr)
    from leaven.serving import export

    done = export.write(adapter, out, lambda said: print(said, file=sys.stderr))
    for note in done.notes:
        print(note, file=sys.stderr)
    print("\n".join(map(str, done.folders)))
    print(f"Next: leaven check-serving {shlex.quote(str(out))}")
