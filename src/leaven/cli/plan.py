"""`leaven plan`: what a command will take, before it is started."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import ratio
from leaven.cli.flags import planned
from leaven.cli.rows import say_left_out
from leaven.errors import UserError

if TYPE_CHECKING:
    from leaven.lift.sizes import Size
    from leaven.llm.budget import Spend
    from leaven.llm.pilot import Range, Recorded, Step
    from leaven.rows.dataset import Dataset
    from leaven.study.forecast import Forecast
    from leaven.study.recipe import Recipe

    Opened = Callable[[str], AbstractContextManager[Recorded]]

app = typer.Typer(add_completion=False)
COMMANDS = ("lift", "sample", "diversify")


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
    epilog="Example: leaven plan delia task.jsonl --model lab, leaven plan lift data.jsonl --llm openai:gpt-4o, "
    "leaven plan ratio task.jsonl --model smollm2, or leaven plan paper-llama-2-7b-chat",
)
def plan(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="delia, ratio (flags of delia), lift, sample or diversify with flags of its own; or a recipe."
        ),
    ],
    pilot: Annotated[int, typer.Option(min=2, help="(before WHAT) Rows that the pilot asks about.")] = 8,
    tokens: Annotated[int, typer.Option(min=1, help="(before WHAT) Recipes: tokens of a row.")] = 300,
    teraflops: Annotated[
        float, typer.Option(min=0.1, help="(before WHAT) Recipes: the accelerator's peak; 312: A100, 989: H100.")
    ] = 312,
    rows: Annotated[
        list[int] | None,
        typer.Option(min=1, help="(before WHAT; again for each) lift: what so many rows would take, hours too."),
    ] = None,
    like: Annotated[
        str,
        typer.Option(help="(before WHAT) With --rows: a finished lift, whose pace is taken for what asks no engine."),
    ] = "",
    nodes: Annotated[
        int, typer.Option(min=1, help="(before WHAT) delia, recipes: so many machines like this one (--on ray).")
    ] = 1,
    processes: Annotated[
        int,
        typer.Option(
            min=1, help="(before WHAT) delia, recipes: one model over so many accelerators (accelerate launch)."
        ),
    ] = 1,
) -> None:
    """Say what a command will take: calls, tokens and money by a small pilot; for a recipe, memory and hours too.

    `leaven plan --rows 1000000 lift` says it for other numbers of rows, and the hours that the servers of --base-url
    take. `leaven plan --nodes 8 delia` says the minutes where the cells are computed by so many machines, and
    `leaven plan --processes 8 delia` the memory and hours of eight accelerators that share one model.
    `leaven plan ratio` tunes at a few ratios, and says which suffices: `leaven delia --ratio auto` takes the smallest.
    The pilot's replies are in the store, so that the command itself does not pay for them again.
    """
    if (rows or like) and what != "lift":
        raise UserError(f"--rows and --like say nothing of {what}", "They are for: leaven plan --rows N lift DATA …")
    if nodes > 1 and what in ("ratio", *COMMANDS):
        raise UserError(f"--nodes says nothing of {what}", "Cells alone go to several machines: delia, or a recipe.")
    if processes > 1 and (nodes > 1 or what in ("ratio", *COMMANDS)):
        raise UserError("--processes is for delia or a recipe, without --nodes", "One model over N accelerators.")
    if what == "delia":
        return _delia(context.args, nodes, processes, tokens, teraflops)
    if what == "ratio":
        return ratio.find(context.args)
    if what in COMMANDS:
        return _piloted(what, context.args, pilot, rows or [], like)
    return _recipe(what, tokens, teraflops, nodes, processes)


def _piloted(what: str, words: list[str], pilot: int, rows: list[int], like: str) -> None:
    from leaven.cli import engine
    from leaven.lift import sizes
    from leaven.llm.address import addresses
    from leaven.llm.settings import LLMSection
    from leaven.rows import files

    # Some commands need the name of a file to write; a plan writes none.
    needed = [] if what == "lift" or {"-o", "--out"} & set(words) else ["--out", "-"]
    about = f"What `leaven {what}` will take with these flags: calls, tokens and money."
    flags = planned(import_module(f"leaven.cli.{what}").app, what, [*words, *needed], about)
    read = files.read(**_rows_of(what, flags))
    data = read.kept
    say_left_out(read)
    few = data.take(min(pilot, len(data)), 0)
    spends: dict[str, Spend] = {}
    steps = list(_STEPS[what](data, few, flags, partial(_opened, spends=spends, limits=engine.flags(flags))))
    _print(steps, spends)
    if rows:
        section = LLMSection(**engine.flags(flags))
        calls = len(addresses(section.base_url)) * section.concurrency
        pace = sizes.pace(Path(like)) if like else None
        # How long a batch takes, no call of the pilot tells.
        timed = [replace(step, seconds=None) for step in steps] if section.batch else steps
        _print_sizes([sizes.size(count, len(data), timed, calls, pace) for count in rows], calls)


@contextmanager
def _opened(spec: str, spends: "dict[str, Spend]", limits: Mapping[str, Any]) -> "Iterator[Recorded]":
    """The engine of a step, whose replies are kept; by its own price, what it would spend is put into `spends`."""
    from leaven.cli import engine
    from leaven.cli.work import checked
    from leaven.llm.open import open_with_budget, spending
    from leaven.llm.pilot import Recorded
    from leaven.llm.settings import LLMSection

    section = checked(LLMSection, {"engine": spec, **limits})
    if section.batch:
        open_with_budget(section)  # an engine without batches stops the command, and so its plan
    spends[spec] = spending(section)
    at_once = {**limits, "batch": False}  # the few calls of a pilot are not worth the hours of a batch
    with engine.opened(spec, "pilot", **at_once) as llm:
        yield Recorded(llm, price=spends[spec].rate)


def _rows_of(what: str, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Where the rows are, and how they are read, as the command's flags or its recipe say it."""
    from leaven.cli.lift import settings_of

    names = ("format", "columns", "strict")
    if what == "lift":
        settings = settings_of(flags)
        there = {"source": settings.data, **{name: getattr(settings, name) for name in names}}
        asks = any("llm" in stage.needs for stage in settings.plan)
    else:
        there = {"source": flags.get("queries") or flags.get("task"), **{name: flags[name] for name in names}}
        asks = bool(flags.get("llm"))
    if not there["source"] or not asks:
        raise UserError("a plan needs rows and an engine", f"leaven plan {what} data.jsonl --llm openai:MODEL …")
    return there


def _print_sizes(found: "list[Size]", at_once: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"At other sizes, with {at_once:,} calls at a time", title_justify="left")
    for column in ("rows", "calls", "dollars", "hours of calls", "hours of the rest"):
        table.add_column(column, justify="right")
    for size in found:
        hours = ("unknown" if each is None else f"{each:,.1f}" for each in (size.asking, size.other))
        table.add_row(f"{size.rows:,}", f"{size.calls:,}", _dollars(size.dollars), *hours)
    Console(width=120).print(table)
    print("Hours of calls: where servers answer as quickly as they did the pilot. The rest: one machine, as --like.")


def _delia(words: list[str], nodes: int, processes: int, tokens: int, teraflops: float) -> None:
    """Cells, their rows and steps, what is asked, and how long each stage takes here, by a few seconds of each."""
    from leaven.cli.delia import app as command
    from leaven.cli.delia import recipe_of
    from leaven.study.forecast import forecast_of

    about = "What `leaven delia` will take with these flags: cells, steps, minutes and GiB of this machine."
    flags = planned(command, "delia", words, about)
    if processes > 1:
        return _print_needs(recipe_of(flags), tokens, teraflops, nodes, processes)
    _print_forecast(forecast_of(recipe_of(flags), Path(flags["out"])), nodes)


def _print_forecast(forecast: "Forecast", nodes: int) -> None:
    from rich.console import Console
    from rich.table import Table

    from leaven.study import needs
    from leaven.study.cells import cells
    from leaven.study.sources import answers_sentence

    pace, rows = forecast.pace, len(forecast.task.rows)
    plan = cells(forecast.recipe.at_largest_ratio, rows)
    table = Table(title=f"{len(plan)} cells, {rows:,} task rows", title_justify="left")
    table.add_column("cell")
    for column in ("rows trained", "steps"):
        table.add_column(column, justify="right")
    for cell in plan:
        schedule = needs.work(cell.method, cell.size, forecast.recipe.tune).schedule
        table.add_row(cell.name, f"{schedule.trained_rows:,}", f"{schedule.steps:,}")
    Console(width=100).print(table)
    asked = ", ".join(f"{test.name} {len(test.rows):,}" for test in forecast.tests())
    print(f"{answers_sentence(forecast.recipe, forecast.task)}\nEach cell answers {asked}.")
    left_out = Counter((where, drop.reason) for where, drop in forecast.task.dropped)
    if left_out:
        print("Left out: " + "; ".join(f"{n:,} of {where}, {reason}" for (where, reason), n in left_out.items()) + ".")
    stages = list(forecast.stages())
    if forecast.recipe.tune.trials and "search settings" not in {stage.name for stage in stages}:
        print(f"No settings are searched: {rows:,} task rows are too few to hold any out.")
    table = Table(title="Here", title_justify="left")
    for column in ("stage", "of"):
        table.add_column(column)
    table.add_column("minutes", justify="right")
    for stage in stages:
        table.add_row(stage.name, stage.amount, f"{stage.seconds / 60:,.1f}")
    Console(width=100).print(table)
    minutes = sum(stage.seconds for stage in stages) / 60
    writing = pace.writing
    rows_a_second = 1 / (writing.step / writing.at_once + writing.token) if writing.step + writing.token else 0.0
    print(
        f"{pace.trained:,.0f} tokens a second trained, {rows_a_second:,.0f} answered where {writing.at_once} rows are "
        f"answered at once.\nAbout {minutes:,.1f} minutes ({minutes / 1.5:,.1f} to {minutes * 1.5:,.1f}) and "
        f"{pace.gib:.1f} GiB of memory."
    )
    if nodes > 1:
        print(f"On {nodes} machines like this one (--on ray): about {forecast.seconds(nodes) / 60:,.1f} minutes.")


def _lift(data: "Dataset", few: "Dataset", flags: Mapping[str, Any], opened: "Opened") -> "Iterator[Step]":
    """Every stage that asks an engine, on as many rows as the stages before it leave."""
    from leaven.cli.lift import settings_of
    from leaven.lift import embedding
    from leaven.lift.expand import engine
    from leaven.lift.selection import Context, Size
    from leaven.rows.dataset import Dataset

    settings, made, rows, parents = settings_of(flags), Dataset.of([]), float(len(data)), float(len(data))
    for place, stage in enumerate(settings.plan):
        config: Any = stage.settings()
        if stage.makes:
            parents = parents if place and settings.plan[place - 1].makes else rows
            rounds = getattr(config, "rounds", 1)
            once = config.model_copy(update={"rounds": 1}) if hasattr(config, "rounds") else config
            with opened(engine(stage, settings)) as llm:
                made = made + stage.module.make(few, llm, once, settings.seed).kept
            # A rewriting, its answer, and whether anything is gained.
            each = 2 + ("no_gain" in config.eliminate) if hasattr(config, "eliminate") else 1
            name = f"{stage.name}, {rounds} rounds" if hasattr(config, "rounds") else stage.name
            yield llm.step(name, round(each * parents * rounds))
            rows += 0 if stage.replaces else parents * rounds
        elif "llm" in stage.needs:
            whole = config.model_copy(update={"n": 0, "keep": 1.0, "twice": 0, "planted": 0})
            with opened(engine(stage, settings)) as llm:
                stage.module.score(made if len(made) else few, whole, Context(settings.seed, llm=llm))
            calls = getattr(stage.module, "calls", lambda rows, config: rows)(round(rows), config)
            yield llm.step(stage.name, calls)
        if isinstance(config, Size):
            rows = config.n or rows * config.keep
    if not settings.embeddings and embedding.paid(settings.embedder):
        print(f"Embeddings by {settings.embedder} are paid for too, and not in the table.", file=sys.stderr)


def _sample(data: "Dataset", few: "Dataset", flags: Mapping[str, Any], opened: "Opened") -> "Iterator[Step]":
    from leaven.delia.makers import self_sample
    from leaven.models.settings import SampleSection

    names = ("temperature", "top_p", "max_new_tokens", "keep_truncated")
    config = SampleSection.model_validate({name: flags[name] for name in names})
    with opened(flags["llm"]) as llm:
        self_sample.make(few, llm, config, flags["seed"], form=flags["form"])
    yield llm.step("sample", flags["n"] or len(data))


def _diversify(data: "Dataset", few: "Dataset", flags: Mapping[str, Any], opened: "Opened") -> "Iterator[Step]":
    """A dry run counts the calls; the pilot asks about the instructions of a few rows."""
    from leaven.cli.flags import given
    from leaven.cli.work import checked
    from leaven.delia.makers import diversify
    from leaven.delia.settings import DiversifyConfig
    from leaven.llm.engines.scripted import Scripted
    from leaven.llm.pilot import Recorded

    asked = Recorded(Scripted(lambda prompt, draw: "[]"))
    config = checked(DiversifyConfig, {**given(DiversifyConfig, flags), "check": False})
    diversify.make(data, asked, config, flags["token"], flags["seed"])
    with opened(flags["llm"]) as llm:
        diversify.make(few, llm, config, flags["token"], flags["seed"])
    calls = len(asked.record)
    yield llm.step("diversify", calls)
    if flags["check"]:
        yield llm.step("check (at most; taken for as long as the phrasings)", calls * (config.count or 20))


_STEPS = {"lift": _lift, "sample": _sample, "diversify": _diversify}


def _print(steps: "list[Step]", spends: "Mapping[str, Spend]") -> None:
    from rich.console import Console
    from rich.table import Table

    from leaven.llm.pilot import total

    table = Table(title=f"What it will take, by {sum(len(step.replies) for step in steps)} calls", title_justify="left")
    table.add_column("step")
    for column in ("calls", "tokens in", "tokens out", "dollars"):
        table.add_column(column, justify="right")
    for step in steps:
        ranges = (_said(step.prompt_tokens), _said(step.completion_tokens), _dollars(step.cost))
        table.add_row(step.name, f"{step.calls:,}", *ranges)
    calls, came, went, cost = total(steps)
    table.add_section()
    table.add_row("all", f"{calls:,}", _said(came), _said(went), _dollars(cost))
    Console(width=120).print(table)
    if failed := sum(reply.text is None for step in steps for reply in step.replies):
        print(f"{failed} calls of the pilot failed: the ranges are too low.")
    if unknown := [spec for spec, spend in spends.items() if spend.price is None]:
        print(f"The price of {' and '.join(unknown)} is unknown: name a table that has it, --prices FILE.")
    if prices := dict.fromkeys(spend.price.sentence(spend.batch) for spend in spends.values() if spend.price):
        print(f"By {'; '.join(prices)}. Stop at a limit with --max-cost, --max-tokens or --max-requests.")


def _said(found: "Range") -> str:
    return f"{found[0]:,.0f} to {found[1]:,.0f}"


def _dollars(found: "Range | None") -> str:
    return "unknown" if found is None else f"{found[0]:,.2f} to {found[1]:,.2f}"


def _at_hand(recipe: "Recipe") -> bool:
    """Whether the model and all rows of a recipe are on this machine, and the model runs on its CPU."""
    import torch

    from leaven.models import names
    from leaven.study import own_answers, sources

    ready = {*sources.LAB, own_answers.NAME, sources.QUESTIONS, sources.SELF}
    places = [place for place in (recipe.task, recipe.test, recipe.queries) if place and place not in ready]
    model = Path(names.path(recipe.model)).is_dir()
    return model and not torch.cuda.is_available() and all(Path(place).is_file() for place in places)


def _recipe(name: str, tokens: int, teraflops: float, nodes: int, processes: int) -> None:
    """Cells, accelerator and hours of a study: measured where all is at hand, else computed."""
    from leaven.study import recipe as recipes

    recipe = recipes.read(recipes.shipped(name))
    if processes == 1 and _at_hand(recipe):
        from leaven.study.forecast import forecast_of

        return _print_forecast(forecast_of(recipe, Path(recipe.out)), nodes)
    _print_needs(recipe, tokens, teraflops, nodes, processes)


def _print_needs(recipe: "Recipe", tokens: int, teraflops: float, nodes: int, processes: int) -> None:
    """Cells, accelerator and hours; files that are not there yet are said, and common sizes taken."""
    from leaven.models import names
    from leaven.rows import files
    from leaven.study import own_answers, sources
    from leaven.study.needs import lines, needs, shape

    there = {path: Path(path).is_file() for path in (recipe.task, recipe.test or "") if path}
    rows = {
        path: len(files.read_beside(path, recipe.format, recipe.columns).kept) for path, found in there.items() if found
    }
    model = shape(names.path(recipe.model))
    task_rows = rows.get(recipe.task, max(*recipe.sizes, 100))
    test_rows = recipe.evaluate.limit_test or rows.get(recipe.test or "", 1000)
    sizes = {"task_rows": task_rows, "test_rows": test_rows, "tokens": tokens}
    found = needs(recipe, model, **sizes, teraflops=teraflops, processes=processes)
    print("\n".join(lines(found, model, teraflops, processes)))
    if nodes > 1:
        low, high = (hours / min(nodes, found.cells) for hours in found.hours)
        print(f"On {nodes} such accelerators (--on ray), where its cells are alike: {low:.1f} to {high:.1f} hours.")
    missing = [
        path for path, is_there in there.items() if not is_there and path not in (*sources.LAB, own_answers.NAME)
    ]
    if missing:
        print(f"Not there yet: {', '.join(missing)}; taken for {task_rows:,} task rows and {test_rows:,} test rows.")
    calls = "the teacher is asked as leaven plan diversify says" if recipe.llm.engine else "no engine is paid"
    calls = f"{recipe.sampler} samples, in hours of its own" if recipe.sampler else calls
    print(f"Rows are taken for {tokens} tokens (--tokens); {calls}. Rough: hours are a range for good and bad use.")
