"""`leaven sample`: a model answers queries for itself."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven sample queries.jsonl --llm hf:Qwen/Qwen3-0.6B -o answers.jsonl")
def sample(
    queries: Annotated[str, typer.Argument(help="Rows with questions.")],
    llm: Annotated[str, typer.Option(help="The engine: hf:MODEL_OR_DIR or scripted:FILE.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Where to write the answered rows.")],
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.7,
    top_p: Annotated[float, typer.Option(min=0.01, max=1, help="Nucleus of the sampling.")] = 0.95,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest reply, in tokens.")] = 512,
    conditioned: Annotated[bool, typer.Option(help="Show the reference answer first (as published).")] = False,
    seed: Annotated[int, typer.Option(help="Another seed, another sample.")] = 0,
    format: Annotated[str, typer.Option(help="The format of the rows.")] = "auto",
) -> None:
    """Let a model answer queries; rows that failed, with their reasons, are in OUT.rejects.jsonl.

    Finished chunks lie in OUT.chunks: the same command continues a run that was stopped.
    """
    from leaven import run as runs
    from leaven.cli.work import engine
    from leaven.data import files
    from leaven.recipe import SampleSection
    from leaven.synth import self_sample

    read = files.read(queries, format)
    config = SampleSection(temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens, conditioned=conditioned)
    with runs.stderr().track("sampling", len(read.kept), "rows") as advance:
        outcome = self_sample.collect(
            read.kept, engine(llm), config, seed, Path(out + ".chunks"), n=len(read.kept), on_rows=advance
        )
    files.write(outcome.kept, out)
    files.write_rejects(outcome, Path(out + ".rejects.jsonl"))
    print(f"{outcome.summary()}. Rows: {out}")
