"""`leaven evaluate`: public benchmarks of a model, and what an adapter leaves of them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven evaluate smollm2 --benchmarks mmlu,truthfulqa --data benchmarks --adapter ADAPTER")
def evaluate(
    model: Annotated[str, typer.Argument(help="A folder or hub id, or the name of a model.")],
    benchmarks: Annotated[
        str,
        typer.Option(
            help="Their names, with commas: mmlu, arc_easy, truthfulqa, ifeval, gsm8k, bbh, or another task of "
            "lm-evaluation-harness."
        ),
    ],
    data: Annotated[
        str, typer.Option(help="A folder of your own copies, such as mmlu.jsonl; those it lacks come from the hub.")
    ] = "",
    adapter: Annotated[
        Path | None, typer.Option(help="The folder of an adapter: asked too, and compared item by item.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Items of each benchmark, drawn at random; 0: all.")] = 100,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer in tokens; 256 at least.")] = 512,
    out: Annotated[
        str, typer.Option("--out", "-o", help="A folder for the answers; the same command goes on there.")
    ] = "",
    trust_remote_code: Annotated[bool, typer.Option(help="Run Python code that comes with the model.")] = False,
) -> None:
    """Ask a model public benchmarks, and with --adapter what tuning has changed, with a paired interval."""
    from leaven import extras

    extras.require(*extras.STUDY, "lm_eval")
    from leaven.api.evaluation import evaluate as ask
    from leaven.cli.work import print_wide

    names = [name.strip() for name in benchmarks.split(",") if name.strip()]
    results = ask(
        model, names, data=data, adapter=adapter, limit=limit or None, max_new_tokens=max_new_tokens, folder=out,
        trust_remote_code=trust_remote_code,
    )  # fmt: skip
    for note in results.notes:
        print(note, file=sys.stderr)
    print_wide(results, 160)
    if out:
        print(f"The answers, a file for each benchmark: {out}")
