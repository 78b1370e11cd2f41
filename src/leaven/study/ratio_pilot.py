"""The pilot behind `ratio: auto`: DELIA tuned at few ratios, from the smallest up, until the law says what suffices.

Each tuning is a trial as a search makes them (study/search.py): on four fifths of the task rows, asked the others in
phrasings that serve nothing else, and plain questions of the pool that no buffer of it has. No test is looked at.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.delia.settings import AUTO
from leaven.errors import UserError
from leaven.runs import folder as runs
from leaven.study import ratio_law
from leaven.study.ratio_law import Law, Observation
from leaven.study.recipe import DELIA, MethodChoice, Recipe
from leaven.study.search import Search, Trial
from leaven.task.holdout import FEWEST
from leaven.task.metrics.general import is_plain
from leaven.task.task import Task

if TYPE_CHECKING:  # what needs torch: what was found is read without it
    from leaven.study.parts import Parts

FOLDER = "pilot"


@dataclass(frozen=True, slots=True)
class Pilot:
    """What was tried, in its order, the law that it follows, and the seconds that it took."""

    observations: tuple[Observation, ...]
    law: Law
    seconds: float

    @property
    def ratio(self) -> float:
        """The smallest ratio that suffices; the largest tried where none does."""
        return self.law.largest if math.isinf(self.law.ratio) else self.law.ratio

    def sentence(self) -> str:
        """The answer, and what is made of it where it is none."""
        fallback = f" {self.ratio:g} is taken." if math.isinf(self.law.ratio) else ""
        count = len(self.observations)
        return f"The smallest sufficient ratio, by a pilot of {count} tunings: {self.law.sentence()}{fallback}"


def check(recipe: Recipe, task: Task) -> None:
    """Raises UserError where no pilot can find the ratio that the recipe leaves to one."""
    if not recipe.needs_pilot:
        return
    hint = "Name a ratio: --ratio 2.5."
    if _choice(recipe) is None:
        raise UserError("ratio: auto is found by tunings of delia, which has a ratio of its own here", hint)
    if len(task.rows) < 2 * FEWEST:
        raise UserError(f"ratio: auto holds rows out, and {len(task.rows)} task rows are too few ({2 * FEWEST})", hint)
    if not task.format.testable:
        raise UserError("ratio: auto counts answers in the format, and plain text has none that can be told", hint)


def with_ratio(recipe: Recipe, task: Task, folder: Path, parts: "Parts") -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with the ratio that a pilot finds where a method's is `auto`, and a note."""
    if not recipe.needs_pilot:
        return recipe, ()
    pilot = run(recipe, task, folder, parts)
    parts.progress.say(pilot.sentence())
    return recipe.at_ratio(pilot.ratio), (pilot.sentence(),)


def run(recipe: Recipe, task: Task, folder: Path, parts: "Parts") -> Pilot:
    """Tune and ask from the smallest ratio up, until one is known to be enough; trials that are there are read."""
    config, choice = recipe.pilot, _choice(recipe)
    search = Search.of(parts, task, folder / FOLDER, config.questions)
    assert choice is not None
    if search.train is None:
        raise UserError(search.note.removesuffix("."), "Name a ratio: --ratio 2.5.")
    observations: list[Observation] = []
    seconds = 0.0
    for ratio in sorted(set(config.ratios)):
        for number in range(config.trainings):
            trial = _trial(search, choice, ratio, number)
            observations.append(_observation(search, ratio, trial))
            seconds += trial.seconds
            parts.progress.say(_line(observations[-1], trial))
        law = ratio_law.fit(observations, config.most_leak, config.least_learnt)
        if not math.isinf(law.ratio):
            break
    pilot = Pilot(tuple(observations), law, seconds)
    runs.write_json(folder / FOLDER / "law.json", record(pilot))
    return pilot


def record(pilot: Pilot) -> dict[str, Any]:
    """What is kept of a pilot in its folder."""
    return {
        "ratio": pilot.ratio,
        "interval": [None if math.isinf(end) else end for end in pilot.law.interval],
        "sentence": pilot.sentence(),
        "seconds": round(pilot.seconds, 1),
        "observations": [asdict(one) for one in pilot.observations],
    }


def read(folder: Path) -> dict[str, Any] | None:
    """What a study's pilot found; None where it had none."""
    path = folder / FOLDER / "law.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _choice(recipe: Recipe) -> MethodChoice | None:
    """The first method that is DELIA at a ratio to be found."""
    return next((one for one in recipe.methods if one.name == DELIA and one.config.get("ratio") == AUTO), None)


def _trial(search: Search, choice: MethodChoice, ratio: float, number: int) -> Trial:
    """One tuning at a ratio; each further one has a seed of its own."""
    recipe = search.parts.recipe
    seed, passes = recipe.seeds[0] + number, recipe.pilot.passes
    method = choice.model_copy(update={"label": f"ratio {ratio:g}", "config": {**choice.config, "ratio": ratio}})
    return search.trial(method, f"seed-{seed}", {"num_train_epochs": passes} if passes else {}, seed)


def _observation(search: Search, ratio: float, trial: Trial) -> Observation:
    dev, general = search.tests_to_ask()
    plain = sum(is_plain(row, search.parts.format) for row in general.rows)
    if not plain:
        raise UserError(
            "no question of the pool is a plain one: each calls for the format", "Name a ratio: --ratio 2.5."
        )
    dev_rows = len(dev.rows)
    return Observation(ratio, round((trial.leak or 0.0) * plain), plain, round(trial.learnt * dev_rows), dev_rows)


def _line(one: Observation, trial: Trial) -> str:
    return (
        f"[pilot, ratio {one.ratio:g}] {one.leaks} of {one.plain} plain questions in the format, "
        f"{one.learnt} of {one.asked} held-out rows ({trial.seconds:.0f} s)"
    )
