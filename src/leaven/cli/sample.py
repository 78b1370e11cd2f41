"""`leaven sample`: a model answers queries."""

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import engine

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven sample queries.jsonl --llm hf:Qwen/Qwen3-0.6B -o answers.jsonl")
def sample(
    queries: Annotated[str, typer.Argument(help="Rows with questions.")],
    llm: engine.Engine,
    out: Annotated[str, typer.Option("--out", "-o", help="Where to write the answered rows.")],
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.7,
    top_p: Annotated[float, typer.Option(min=0.01, max=1, help="Nucleus of the sampling.")] = 0.95,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest reply, in tokens.")] = 512,
    conditioned: Annotated[bool, typer.Option(help="Show the reference answer first (as published).")] = False,
    seed: Annotated[int, typer.Option(help="Another seed, another sample.")] = 0,
    format: Annotated[str, typer.Option(help="The format of the rows.")] = "auto",
    base_url: engine.BaseUrl = None,
    store: engine.StoreFile = "",
    concurrency: engine.Concurrency = 64,
    max_cost: engine.MaxCost = None,
    max_tokens: engine.MaxTokens = None,
    max_requests: engine.MaxRequests = None,
    prices: engine.Prices = None,
) -> None:
    """Let a model answer queries; rows that failed, with their reasons, are in OUT.rejects.jsonl.

    Finished chunks lie in OUT.chunks and paid replies in the store: the same command continues a run that was stopped.
    """
    from leaven.data import files
    from leaven.sections import SampleSection
    from leaven.synth import self_sample

    read = files.read(queries, format)
    config = SampleSection(temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens, conditioned=conditioned)
    with engine.opened(
        llm, "sampling", len(read.kept), Path(out + ".log"), base_url=base_url, store=store, concurrency=concurrency,
        max_cost=max_cost, max_tokens=max_tokens, max_requests=max_requests, prices=prices,
    ) as opened:  # fmt: skip
        # A chunk ends when its slowest reply is there: where calls overlap, chunks are long.
        chunk = 256 if llm.startswith(("hf:", "scripted:")) else 8192
        outcome = self_sample.collect(
            read.kept, opened, config, seed, Path(out + ".chunks"), n=len(read.kept), chunk=chunk
        )
    files.write(outcome.kept, out)
    files.write_rejects(outcome, Path(out + ".rejects.jsonl"))
    print(f"{outcome.summary()}. Rows: {out}")
