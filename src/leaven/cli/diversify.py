"""`leaven diversify`: the instructions of task rows in other words."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven diversify task.jsonl --token '<sep>' --llm hf:Qwen/Qwen3-4B -o varied.jsonl")
def diversify(
    task: Annotated[str, typer.Argument(help="Task rows that name the token.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Where to write the rows.")],
    token: Annotated[str, typer.Option(help="The token.")] = "<sep>",
    llm: Annotated[
        str, typer.Option(help="The engine that rephrases: hf:MODEL or scripted:FILE; '': the phrasebook.")
    ] = "",
    count: Annotated[int, typer.Option("-n", min=1, help="Phrasings to ask for, for each instruction.")] = 20,
    seed: Annotated[int, typer.Option(help="Another seed, other phrasings.")] = 0,
    format: Annotated[str, typer.Option(help="The format of the rows.")] = "auto",
) -> None:
    """Say each row's instruction in other words; rows that vary already are kept as they are."""
    from leaven.cli.work import engine
    from leaven.data import files
    from leaven.synth import diversify as maker

    config = maker.DiversifyConfig(count=count)
    outcome = maker.make(files.read(task, format).kept, engine(llm) if llm else None, config, token, seed)
    files.write(outcome.kept, out)
    if outcome.dropped:
        files.write_rejects(outcome, Path(out + ".rejects.jsonl"))
    for note in outcome.notes:
        print(note, file=sys.stderr)
    print(f"{outcome.summary()}. Rows: {out}")
