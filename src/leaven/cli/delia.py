"""`leaven delia`: task rows and a model in; an adapter, the proof and a report out."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from leaven.api import keywords
from leaven.cli import engine, flags
from leaven.cli import rows as reading
from leaven.cli.resume import ContinueAnyway
from leaven.cli.study import ReportTo
from leaven.errors import UserError
from leaven.models.settings import SampleSection, TuneSection
from leaven.rows.leaks import LeaksSection
from leaven.scale.settings import ScaleSection
from leaven.study.settings import PilotSection
from leaven.task.settings import EvaluateSection

if TYPE_CHECKING:
    from leaven.study.recipe import Recipe

app = typer.Typer(add_completion=False)
TOKEN, TRAINING = "The token", "Method and training"
"""Panels of the help."""
FLAGS = [
    *flags.of(SampleSection, "Self-sampling", without=("max_new_tokens", "conditioned")),
    *flags.of(EvaluateSection, "Tests", without=("limit_test", "max_new_tokens", "tests")),
    *flags.of(LeaksSection, "Tests", called={"enabled": "leaks"}),
    *flags.of(PilotSection, "The pilot of --ratio auto"),
    *flags.of(TuneSection, "Tuning (what is not given is as --preset says)", without=("preset",)),
    *flags.of(ScaleSection, "Beyond one machine"),
]


@app.command(
    epilog="Example: leaven delia task.jsonl --model smollm2, or with files of your own: leaven delia task.jsonl "
    "--test test.jsonl --queries pool.jsonl --model Qwen/Qwen3-0.6B --learning-rate 1e-4 --out runs/halu"
)
@flags.added(flags.further([*FLAGS, *engine.parameters()]))
def delia(
    context: typer.Context,
    task: Annotated[
        str, typer.Argument(help="The task rows: about 100 questions with their answers (see leaven example).")
    ],
    model: Annotated[str, typer.Option(help="A folder or hub id; `lab` is the tiny model that ships.")],
    test: Annotated[
        str,
        typer.Option(help="Rows to test on; '': some of the task's are held out. What training has seen is left out."),
    ] = "",
    queries: Annotated[
        str,
        typer.Option(
            help="Questions on anything, which the model answers itself: a file, or `questions`, 871 that ship; "
            "'': it writes them too."
        ),
    ] = "",
    token: Annotated[
        str,
        typer.Option(help="The new special token; put into the questions where none names it.", rich_help_panel=TOKEN),
    ] = keywords.NEW_TOKEN,
    reuse: Annotated[
        str,
        typer.Option(
            help="In its place a special token that the model has and does not use: leaven show tokens.",
            rich_help_panel=TOKEN,
        ),
    ] = "",
    answers: Annotated[
        str,
        typer.Option(
            help="How answers show what it means: auto, json, list, label:REGEX, words:N, text, a .py …",
            rich_help_panel=TOKEN,
        ),
    ] = "auto",
    means: Annotated[
        str, typer.Option(help="What it stands for, in plain words; never shown to the model.", rich_help_panel=TOKEN)
    ] = "",
    ratio: Annotated[
        str,
        typer.Option(
            help="Self-sampled rows for each task row; auto: the smallest that a pilot finds sufficient; "
            "'': 2.5, on the lab 20.",
            rich_help_panel=TRAINING,
        ),
    ] = "",
    size: Annotated[int, typer.Option(min=0, help="Task rows to train on; 0: all.", rich_help_panel=TRAINING)] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; more say more.", rich_help_panel=TRAINING)] = 1,
    preset: Annotated[
        str,
        typer.Option(
            help="auto (a short search of rates and steps on held-out task rows), ours, paper, lab or small; "
            "'': lab for the lab, auto for any other model.",
            rich_help_panel=TRAINING,
        ),
    ] = "",
    init: Annotated[
        str,
        typer.Option(
            help="First row of the token: neighbours, random (paper), mean, copy:TEXT, reserved:TOKEN.",
            rich_help_panel=TOKEN,
        ),
    ] = "",
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
    limit_test: Annotated[int, typer.Option(min=0, help="At most so many rows of each test; 0: all.")] = 0,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Longest answer and longest sample, in tokens.", rich_help_panel=TRAINING)
    ] = 512,
    conditioned: Annotated[
        bool, typer.Option(help="Show the reference answer when sampling (as published).", rich_help_panel=TRAINING)
    ] = False,
    llm: Annotated[
        str,
        typer.Option(
            help="An engine that rephrases instructions (as in leaven sample); '': the phrasebook.",
            rich_help_panel=TRAINING,
        ),
    ] = "",
    sampler: Annotated[
        str,
        typer.Option(
            help="An engine that samples the buffer: the same model on the servers of --base-url, openai:MODEL; "
            "'': the model itself.",
            rich_help_panel=TRAINING,
        ),
    ] = "",
    trust_remote_code: Annotated[bool, typer.Option(help="Run Python code that comes with the model.")] = False,
    out: Annotated[str, typer.Option("--out", "-o", help="The folder of the run.")] = "runs/delia",
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Say instead what each part of DELIA is worth here: a small study of 32 cells.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    report_to: ReportTo = None,
    continue_anyway: ContinueAnyway = False,
    help_all: flags.HelpAll = False,
) -> None:
    """Adapt a model from few examples, beside what is simpler, and write the proof.

    Beside it: the untouched model, common tuning, the token's row alone, and its own steps without a buffer. The same
    command continues a run that was stopped.
    """
    from leaven.cli.explain import tell
    from leaven.cli.work import carry_out

    if explain:
        return tell(recipe_of(context.params), Path(out) / "explain", continue_anyway=continue_anyway)
    carry_out(recipe_of(context.params), Path(out), continue_anyway=continue_anyway)


def recipe_of(options: Mapping[str, Any]) -> "Recipe":
    """The recipe that the command's flags mean. Raises RecipeError with every fault."""
    from leaven.study import defaults
    from leaven.study import recipe as recipes
    from leaven.study.sources import SELF

    ratio = ratio_of(options["ratio"]) if options["ratio"] else defaults.ratio(options["model"])
    tune = {"preset": options["preset"] or defaults.preset(options["model"]), **flags.given(TuneSection, options)}
    values = {
        "model": options["model"],
        "task": options["task"],
        "test": options["test"] or None,
        "queries": options["queries"] or SELF,
        "format": options["format"],
        "columns": options["columns"],
        "strict": options["strict"],
        "token": keywords.token(
            text=options["token"],
            reuse=options["reuse"],
            means=options["means"],
            answers=options["answers"],
            init=options["init"] or ("random" if options["preset"] == "paper" else "neighbours"),
        ),
        "methods": defaults.methods(ratio, tune),
        "sizes": [options["size"]],
        "seeds": list(range(options["seeds"])),
        "sample": flags.given(SampleSection, options),
        "tune": tune,
        "pilot": flags.given(PilotSection, options),
        "evaluate": {**flags.given(EvaluateSection, options), "limit_test": options["limit_test"] or None},
        "leaks": {} if options["leaks"] is None else {"enabled": options["leaks"]},
        "llm": {"engine": options["llm"], **engine.flags(options)},
        "sampler": options["sampler"],
        "scale": flags.given(ScaleSection, options),
        "trust_remote_code": options["trust_remote_code"],
        "report_to": options["report_to"] or (),
        "out": options["out"],
    }
    return recipes.parse(values, "the command line")


def ratio_of(text: str) -> float | Literal["auto"]:
    """The ratio that a flag names. Raises UserError for what is neither a number nor `auto`."""
    if text == "auto":
        return "auto"
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio < math.inf:
        raise UserError(f"--ratio is {text!r}", "It is a number that is not negative, or auto.")
    return ratio
