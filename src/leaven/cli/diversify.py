"""`leaven diversify`: the instructions of rows in other words."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import engine
from leaven.cli import rows as reading

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven diversify task.jsonl --token '<sep>' --llm openai:gpt-4o -n 20 -o varied.jsonl")
@engine.with_flags
def diversify(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="A file of rows.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Where to write the rows.")],
    token: Annotated[str, typer.Option(help="The token that the instructions name; '' where there is none.")] = "<sep>",
    llm: Annotated[str, typer.Option(help="The engine that rephrases (as in leaven sample); '': the phrasebook.")] = "",
    count: Annotated[
        int, typer.Option("-n", min=0, help="Phrasings to ask for at a time; 0: 20 for an instruction, 3 for a row.")
    ] = 0,
    mode: Annotated[
        str, typer.Option(help="per_instruction: its rows share the phrasings; per_row: each row is asked about.")
    ] = "per_instruction",
    check: Annotated[bool, typer.Option(help="Ask the engine of each phrasing whether it means the same.")] = False,
    near: Annotated[float, typer.Option(help="Likeness, 0 to 1, from which two phrasings are one.")] = 0.9,
    position: Annotated[str, typer.Option(help="Where the new phrasing stands: same, start or end.")] = "same",
    temperature: Annotated[float, typer.Option(min=0, help="Sampling temperature of the engine.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another seed, other phrasings.")] = 0,
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
) -> None:
    """Say each row's instruction in other words; rows that vary already are kept as they are (see --mode).

    Phrasings that could not be used are in OUT.rejects.jsonl, each with its reason.
    """
    from leaven.cli.work import checked
    from leaven.delia.makers import diversify as maker
    from leaven.rows import files

    config = checked(
        maker.DiversifyConfig,
        {"count": count, "mode": mode, "check": check, "near": near, "position": position, "temperature": temperature},
        measure=True,
    )
    read = files.read(task, format, columns=columns, strict=strict)
    if llm:
        with engine.opened(llm, "diversifying", log=Path(out + ".log"), **engine.flags(context.params)) as opened:
            outcome = maker.make(read.kept, opened, config, token, seed)
    else:
        outcome = maker.make(read.kept, None, config, token, seed)
    files.write(outcome.kept, out)
    if rejects := outcome.dropped + read.dropped:
        files.write_rejects(type(outcome)(outcome.kept, rejects), Path(out + ".rejects.jsonl"))
    for note in (*read.notes, *outcome.notes):
        print(note, file=sys.stderr)
    print(f"{outcome.summary()}. Rows: {out}", file=sys.stderr if out == "-" else sys.stdout)
    reading.say_left_out(read)
