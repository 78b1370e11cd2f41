"""`leaven diversify`: the instructions of rows in other words."""

import sys
from typing import Annotated

import typer

from leaven.cli import engine, flags
from leaven.cli import rows as reading
from leaven.delia.settings import DiversifyConfig

app = typer.Typer(add_completion=False)
FLAGS = flags.of(DiversifyConfig, "Phrasings", without=("measure",), spelled={"count": "-n"})


@app.command(epilog="Example: leaven diversify task.jsonl --token '<sep>' --llm openai:gpt-4o -n 20 -o varied.jsonl")
@engine.with_flags
@flags.added(FLAGS)
def diversify(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="A file of rows.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Where to write the rows, or - for standard output.")],
    token: Annotated[str, typer.Option(help="The token that the instructions name; '' where there is none.")] = "<sep>",
    llm: Annotated[str, typer.Option(help="The engine that rephrases (as in leaven sample); '': the phrasebook.")] = "",
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

    config = checked(DiversifyConfig, flags.given(DiversifyConfig, context.params), measure=True)
    read = files.read(task, format, columns=columns, strict=strict)
    if llm:
        files.check_format(read.kept)
        with engine.opened(llm, "diversifying", log=reading.log_of(out), **engine.flags(context.params)) as opened:
            outcome = maker.make(read.kept, opened, config, token, seed)
    else:
        outcome = maker.make(read.kept, None, config, token, seed)
    files.write(outcome.kept, out)
    for note in (*read.notes, *outcome.notes):
        print(note, file=sys.stderr)
    print(f"{outcome.summary()}. Rows: {out}", file=reading.beside(out))
    reading.write_rejects(type(outcome)(outcome.kept, (*outcome.dropped, *read.dropped)), out)
    reading.say_left_out(read)
