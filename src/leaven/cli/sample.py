"""`leaven sample`: a model answers queries for itself."""

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

app = typer.Typer(add_completion=False)
FORMS = ("plain", "again", "guided", "magpie")


@app.command(
    epilog="Example: leaven sample queries.jsonl --llm hf:Qwen/Qwen3-0.6B -o answers.jsonl, "
    "or without queries: leaven sample --form magpie -n 1000 --llm hf:Qwen/Qwen3-0.6B -o rows.jsonl"
)
def sample(
    llm: Annotated[str, typer.Option(help="The engine: hf:MODEL_OR_DIR or scripted:FILE.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Where to write the answered rows.")],
    queries: Annotated[str, typer.Argument(help="Rows with questions (none for magpie).")] = "",
    form: Annotated[
        str,
        typer.Option(
            help="plain: the query alone; again: the query, its reference answer, the query (DELIA as published); "
            "guided: the reference as a guide (SDFT); magpie: the model writes the queries too."
        ),
    ] = "plain",
    n: Annotated[int, typer.Option("-n", min=0, help="Rows to make; 0: one for each query.")] = 0,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.7,
    top_p: Annotated[float, typer.Option(min=0.01, max=1, help="Nucleus of the sampling.")] = 0.95,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest reply, in tokens.")] = 512,
    keep_truncated: Annotated[bool, typer.Option(help="Keep replies that were cut at the longest.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed, another sample.")] = 0,
    format: Annotated[str, typer.Option(help="The format of the rows.")] = "auto",
) -> None:
    """Let a model answer queries; rows that failed, with their reasons, are in OUT.rejects.jsonl.

    Finished chunks lie in OUT.chunks: the same command continues a run that was stopped.
    """
    from leaven import run as runs
    from leaven.cli.work import engine
    from leaven.data import files
    from leaven.errors import UserError, nearest
    from leaven.recipe import SampleSection
    from leaven.synth import magpie, self_sample
    from leaven.types import Outcome

    if form not in FORMS:
        raise UserError(f"--form is {form!r}", nearest(form, FORMS))
    if form == "magpie" and (queries or not n):
        raise UserError("magpie makes rows from nothing", "Leave the queries out, and say how many rows: -n 1000.")
    if form != "magpie" and not queries:
        raise UserError(f"there are no queries for the form {form}", "Name a file of them, or say --form magpie -n N.")
    config = SampleSection(
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=max_new_tokens,
        conditioned=form == "again",
        keep_truncated=keep_truncated,
    )
    folder = Path(out + ".chunks")
    if form == "magpie":
        with runs.stderr().track("sampling", n, "rows") as advance:
            outcome = magpie.make(engine(llm), config, seed, folder, n=n, on_rows=advance)
    else:
        read = files.read(queries, format)
        wanted = n or len(read.kept)
        with runs.stderr().track("sampling", wanted, "rows") as advance:
            made = self_sample.collect(
                read.kept, engine(llm), config, seed, folder, n=wanted, on_rows=advance, form=cast("Any", form)
            )
        outcome = Outcome(made.kept, read.dropped + made.dropped, (*read.notes, *made.notes))
        if form != "plain" and (same := self_sample.copies(read.kept, made.kept)):
            print(f"{same:,} answers are the reference word for word", file=sys.stderr)
    files.write(outcome.kept, out)
    files.write_rejects(outcome, Path(out + ".rejects.jsonl"))
    for note in outcome.notes:
        print(note, file=sys.stderr)
    print(f"{outcome.summary()}. Rows: {out}")
