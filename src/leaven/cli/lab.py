"""`leaven lab`: the tiny model that ships, and the world that it knows."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from leaven.cli.group import Group

app = typer.Typer(cls=Group, add_completion=False, no_args_is_help=True)


@app.callback()
def lab() -> None:
    """Pretrain, measure or look at the lab's tiny model and its world."""


@app.command(epilog="Example: leaven lab world -n 5")
def world(
    n: Annotated[int, typer.Option("-n", min=1, help="How many conversations.")] = 5,
    seed: Annotated[int, typer.Option(help="Which ones.")] = 0,
) -> None:
    """Print random conversations of the world."""
    import random

    from leaven.lab.conversation import converse

    rng = random.Random(seed)
    for _ in range(n):
        print("\n".join(f"{turn.role}: {turn.content}" for turn in converse(rng)), end="\n\n")


@app.command(epilog="Example: leaven lab quality --per-family 100")
def quality(
    model: Annotated[str, typer.Option(help="A folder, or lab.")] = "lab",
    per_family: Annotated[int, typer.Option(min=1, help="Questions of each family.")] = 100,
    seed: Annotated[int, typer.Option(help="Which questions.")] = 0,
) -> None:
    """Measure the share of right answers to questions that pretraining never saw, family by family."""
    from leaven.lab import quality as measuring
    from leaven.models import names
    from leaven.models.generate import generate
    from leaven.models.load import load

    loaded = load(names.path(model))

    def respond(prompts: measuring.Prompts) -> list[str]:
        answers = dict(generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=128))
        return [answers[index].text for index in range(len(prompts))]

    for family, share in measuring.measure(respond, per_family, seed).items():
        print(f"{share:7.1%}  {family}")


@app.command(epilog="Example: leaven lab pretrain --minutes 60 --out my-base")
def pretrain(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the checkpoint.")],
    minutes: Annotated[
        float, typer.Option(min=0.01, help="How long to train; the learning rate falls with the clock.")
    ] = 60,
    rows: Annotated[int, typer.Option(min=1_000, help="Conversations to make.")] = 600_000,
    size: Annotated[Literal["small", "large"], typer.Option(help="large: about four times the weights.")] = "small",
    continue_from: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="An earlier checkpoint of this size, to go on from."),
    ] = None,
    learning_rate: Annotated[float, typer.Option(min=1e-6, help="The highest learning rate.")] = 3e-3,
    seed: Annotated[int, typer.Option(help="Seed of the rows and the first weights.")] = 1,
) -> None:
    """Pretrain a base model on the world, on a GPU or a CPU."""
    from leaven.lab import pretrain as pretraining
    from leaven.runs.progress import stderr

    schooling = pretraining.Settings(minutes=minutes, rows=rows, learning_rate=learning_rate, seed=seed)
    settings = replace(schooling, **pretraining.SIZES[size])
    progress = stderr()
    with progress.track("pretraining", 1000, "thousandths") as advance:
        pretraining.pretrain(
            out,
            settings,
            lambda step, done, loss, rate: advance(
                round(1000 * done), 0, f"step {step}, loss {loss:.3f}, {rate:,} tokens/s"
            ),
            continue_from,
        )
    print(f"The checkpoint is in {out}. Next: leaven lab quality --model {out}")
