"""`leaven plan ratio`: the smallest sufficient ratio, by a pilot; `leaven delia --ratio auto` goes on from it."""

from pathlib import Path
from typing import TYPE_CHECKING

from leaven.cli.flags import planned
from leaven.cli.resume import stoppable

if TYPE_CHECKING:
    from leaven.runs.progress import Progress
    from leaven.study.parts import Parts
    from leaven.study.ratio_pilot import Pilot
    from leaven.task.task import Task

CURVE = 30
"""Characters of a bar that stands for all plain questions."""


def find(words: list[str]) -> None:
    """Say how long the pilot takes, run or continue it, and print the table, the curve and the ratio."""
    from leaven.cli.delia import app as command
    from leaven.cli.delia import recipe_of
    from leaven.errors import UserError
    from leaven.runs.lock import lock
    from leaven.runs.progress import stderr
    from leaven.study import preflight, ratio_pilot, sources
    from leaven.study.identity import claim
    from leaven.study.parts import Parts

    about = (
        "Tune at a few ratios, and say the smallest that suffices for this task; the flags are those of `leaven delia`."
    )
    flags = planned(command, "ratio", words, about)
    if flags["ratio"] not in ("", "auto"):
        raise UserError(f"--ratio is {flags['ratio']!r}, and the pilot is to find it", "Leave it out.")
    folder, progress = Path(flags["out"]), stderr()
    recipe, task = sources.resolve(recipe_of({**flags, "ratio": "auto"}), folder, progress)
    preflight.check(recipe, task, folder)
    with stoppable(), lock(folder):
        claim(recipe, task, folder, flags["continue_anyway"])
        parts = Parts.of(recipe, task, folder, progress)
        if ratio_pilot.read(folder) is None:
            _say_time(parts, task, progress)
        _print_law(ratio_pilot.run(recipe, task, folder, parts))
        for llm in parts.engines.asked():
            progress.say(f"{llm.name}: {llm.spend.sentence()}")
    print(f"leaven delia {' '.join(words)} --ratio auto goes on from here, with this ratio.")


def _say_time(parts: "Parts", task: "Task", progress: "Progress") -> None:
    from leaven.study.forecast import Forecast, pace_of

    recipe = parts.recipe
    forecast = Forecast(recipe, task, pace_of(recipe, task, parts.base))
    minutes = sum(stage.seconds for stage in forecast.pilot()) / 60
    progress.say(
        f"At most {minutes:.0f} minutes, for {len(recipe.pilot.ratios)} ratios; it ends with the first that is enough."
    )


def _print_law(pilot: "Pilot") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What leaks at each ratio", title_justify="left")
    for column in ("ratio", "leaks", "learnt", "the law", "90 %"):
        table.add_column(column, justify="right")
    table.add_column("")
    median, low, high = pilot.law.leaks([one.ratio for one in pilot.observations])
    for one, mid, least, most in zip(pilot.observations, median, low, high, strict=True):
        leaks, learnt = f"{one.leaks} of {one.plain}", f"{one.learnt} of {one.asked}"
        bar = "█" * round(CURVE * mid) + "░" * (round(CURVE * most) - round(CURVE * mid))
        table.add_row(f"{one.ratio:g}", leaks, learnt, f"{mid:.1%}", f"{least:.1%} to {most:.1%}", bar)
    Console(width=120).print(table)
    print(f"{pilot.sentence()}\nThe pilot took {pilot.seconds / 60:.1f} minutes.")
