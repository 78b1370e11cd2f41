"""What a study will do, stage by stage, and how long that takes at the pace of this machine."""

import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from leaven.delia.work import Work
from leaven.models.base import Base
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, user
from leaven.runs import folder as runs
from leaven.runs.preflight import together
from leaven.runs.progress import stderr
from leaven.study import needs, own_answers, pace, preflight, sources
from leaven.study.cells import Cell, cells
from leaven.study.pace import Pace
from leaven.study.parts import base_of
from leaven.study.recipe import DELIA, MethodChoice, Recipe
from leaven.study.search import QUESTIONS
from leaven.task import holdout
from leaven.task.task import Task
from leaven.task.test import Test
from leaven.task.tests import DEV_PHRASINGS, tests_of_study, with_ceiling

STAND_INS = 2_000
"""Queries of a pool that is not written yet."""
PLAIN = "general"
"""The metric whose questions are plain ones: what is tuned answers them as before, at the untouched model's length."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a study: what it does, of which and how many, and the seconds it takes."""

    name: str
    amount: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The stages of a study at a pace; rows, tests and settings are those of the recipe and its task."""

    recipe: Recipe
    task: Task
    pace: Pace

    def stages(self) -> Iterator[Stage]:
        """Loading, what the untouched model is asked, the pool, the trials of a search, tuning and answering."""
        yield Stage("load", "the model", self.pace.loading)
        if self.recipe.task == own_answers.NAME:
            count, most = own_answers.TASK_QUESTIONS + own_answers.TEST_QUESTIONS, own_answers.SAMPLING.max_new_tokens
            writing, prompt = self.pace.writing, self.pace.pool_prompt_tokens
            seconds = writing.seconds(count, prompt, writing.length(most), most)
            yield Stage("make the task", f"{count} questions", seconds)
        yield self._untouched()
        if pool := self._pool():
            yield pool
        if self.recipe.needs_pilot:
            yield self._pilot()
        if trials := self._trials():
            yield trials
        plan = cells(self.recipe.at_largest_ratio, len(self.task.rows))
        work = [needs.work(cell.method, cell.size, self.recipe.tune) for cell in plan]
        tuned = [one for one in work if one.schedule.steps]
        tokens = sum(map(self._tokens, tuned))
        yield Stage("tune", f"{len(tuned)} models, {tokens:,.0f} tokens", sum(map(self._tuning, tuned)))
        questions = [(self.tests(cell.method), not one.schedule.steps) for cell, one in zip(plan, work, strict=True)]
        answers = sum(len(test.rows) for mine, _ in questions for test in mine)
        seconds = sum(self._answering(mine, untouched) for mine, untouched in questions)
        yield Stage("answer", f"{answers:,} questions", seconds)

    def seconds(self, nodes: int) -> float:
        """What it takes on so many machines: cells and the pools of seeds side by side, all before them on one."""
        plan = cells(self.recipe.at_largest_ratio, len(self.task.rows))
        at_once = {"tune": min(nodes, len(plan)), "answer": min(nodes, len(plan))}
        at_once["sample the pool"] = min(nodes, len(self.recipe.seeds))
        return sum(stage.seconds / at_once.get(stage.name, 1) for stage in self.stages())

    def tests(self, method: MethodChoice | None = None) -> list[Test]:
        """The tests as the study asks them, all or those that a method has a part in."""
        tests = tests_of_study(self.task.tests, self.recipe.evaluate, self.recipe.token)
        return [test for test in tests if method is None or method.takes(test.name)]

    def _untouched(self) -> Stage:
        """Its own answers to the plain questions, and to the questions of each test in plain words."""
        most, tests = self.recipe.evaluate.ceiling_questions, self.tests()
        ceilings = [with_ceiling(test, self.recipe.token, self.task.format, most).ceiling for test in tests]
        rows = [len(test.rows) for test in tests if test.metric == PLAIN]
        rows += [len(ceiling) for ceiling in ceilings if ceiling is not None]
        return Stage("ask untouched", f"{sum(rows):,} questions", sum(map(self._asking, rows)))

    def _pool(self) -> Stage | None:
        recipe = self.recipe.at_largest_ratio
        rows = needs.most_sampled(recipe, len(self.task.rows))
        if not rows or recipe.sampler:
            return None
        chunk = min(self.pace.writing.chunk, len(self.task.pool))
        chunks, most = math.ceil(min(rows, len(self.task.pool)) / chunk), recipe.sample.max_new_tokens
        length = self.pace.writing.length(most)
        each = self.pace.writing.seconds(chunk, self.pace.pool_prompt_tokens, length, most)
        amount = f"{len(recipe.seeds)} × {chunks * chunk:,} queries"
        return Stage("sample the pool", amount, len(recipe.seeds) * chunks * each)

    def pilot(self) -> Iterator[Stage]:
        """What a pilot takes alone."""
        yield from filter(None, (self._pool(), self._pilot()))

    def _pilot(self) -> Stage:
        """Each ratio of a pilot, as if none but the largest were enough."""
        pilot, size = self.recipe.pilot, max(self._rows_of_trials(), 1)
        tune = self.recipe.tune.model_copy(update={"num_train_epochs": pilot.passes} if pilot.passes else {})
        asking = self._asking(0, pilot.questions) + self._asking(pilot.questions)
        seconds = self._asking(pilot.questions)
        for ratio in pilot.ratios:
            choice = MethodChoice(name=DELIA, label="", config={"ratio": ratio})
            seconds += pilot.trainings * (self._tuning(needs.work(choice, size, tune)) + asking)
        return Stage("find the ratio", f"up to {len(pilot.ratios) * pilot.trainings} tunings", seconds)

    def _trials(self) -> Stage | None:
        """Each trial of a search tunes on the rows that are not held out, and asks those and as many plain questions.

        Its settings are other ones than the recipe's, and only their number is known before.
        """
        recipe, size = self.recipe.at_largest_ratio, self._rows_of_trials()
        if not size:
            return None
        seconds, count = self._asking(QUESTIONS), 0
        for method in recipe.methods:
            work = needs.work(method, size, recipe.tune)
            if work.schedule.steps:
                phrasings = DEV_PHRASINGS if self.task.format.testable else 1
                asking = self._asking(0, QUESTIONS * phrasings) + self._asking(QUESTIONS)
                seconds += recipe.tune.trials * (self._tuning(work) + asking)
                count += recipe.tune.trials
        return Stage("search settings", f"up to {count} trials", seconds) if count else None

    def _rows_of_trials(self) -> int:
        """The task rows that a trial tunes on; 0 where there are too few to hold any out."""
        rows = max(self.recipe.sizes_of(len(self.task.rows)))
        size = rows - holdout.count_of(rows)
        return size if 2 * size >= rows else 0

    def _tokens(self, work: Work) -> float:
        """The tokens of a tuning: those of the mixture's mean row, as often as a row is trained."""
        rows = work.task_rows + work.diverse_rows
        if not rows:
            return 0.0
        pool = self.pace.pool_prompt_tokens + self.pace.writing.length(self.recipe.sample.max_new_tokens)
        mean = (work.task_rows * self.pace.task_tokens + work.diverse_rows * pool) / rows
        return work.schedule.trained_rows * mean

    def _tuning(self, work: Work) -> float:
        return self.pace.preparing + self._tokens(work) / self.pace.trained

    def _answering(self, tests: list[Test], untouched: bool) -> float:
        """All tests in one go; who is tuned answers those of the token at the length of the task's answers."""
        plain = sum(len(test.rows) for test in tests if untouched or test.metric == PLAIN)
        return self._asking(plain, sum(len(test.rows) for test in tests) - plain)

    def _asking(self, long: int, short: int = 0) -> float:
        """So many questions that are answered at the untouched model's length, and with them some at the task's."""
        most, writing = self.recipe.evaluate.max_new_tokens, self.pace.writing
        brief = min(most, self.pace.answer_tokens)
        tokens = long * writing.length(most) + short * brief
        rows, longest = long + short, most if long else min(most, round(2 * brief))
        return writing.seconds(rows, self.pace.pool_prompt_tokens, tokens / max(1, rows), longest)


def forecast_of(recipe: Recipe, folder: Path) -> Forecast:
    """What a recipe whose model is at hand will take on this machine, after its checks, by a few seconds of each."""
    # A pool that the model is yet to write is stood in for: the tests take as many of its queries.
    python_rows = sources.PythonRows(queries=_stand_ins()) if recipe.queries == sources.SELF else None
    with tempfile.TemporaryDirectory() as work:
        recipe, task = sources.resolve(recipe, Path(work), stderr(), python_rows=python_rows)
    if errors := preflight.errors(recipe, task, folder):
        raise together(errors)
    return Forecast(recipe, task, pace_of(recipe, task, base_of(recipe)))


def pace_of(recipe: Recipe, task: Task, base: Base) -> Pace:
    """The pace of the recipe's largest steps."""
    step = needs.largest_step(recipe.at_largest_ratio, len(task.rows))
    return pace.measure(base, task.rows, task.pool, recipe.tune, recipe.sample, recipe.token, step)


def _stand_ins() -> Dataset:
    return Dataset.of(Example(user(f"What is the number {number}?"), Origin("plan")) for number in range(STAND_INS))


def hours(left: Sequence[Cell], recipe: Recipe, task: Task, folder: Path) -> float:
    """How long they take: as long as those of another seed that are there, and the others at this machine's pace."""
    seconds = _seconds(folder)
    means = [fmean(seconds[cell.method.label, cell.size]) for cell in left if (cell.method.label, cell.size) in seconds]
    if len(means) == len(left):
        return sum(means) / 3600
    unknown = {cell.method.label for cell in left if (cell.method.label, cell.size) not in seconds}
    part = recipe.model_copy(update={"methods": tuple(one for one in recipe.methods if one.label in unknown)})
    total = sum(stage.seconds for stage in Forecast(part, task, pace_of(part, task, base_of(recipe))).stages())
    return (sum(means) + total * (len(left) - len(means)) / len(cells(part, len(task.rows)))) / 3600


def _seconds(folder: Path) -> dict[tuple[str, int], list[float]]:
    """What the finished cells of a folder took, by method and size."""
    seconds: dict[tuple[str, int], list[float]] = {}
    for path in sorted(folder.glob("cells/*/cell.json")):
        if runs.closed(path.parent):
            cell = json.loads(path.read_text(encoding="utf-8"))
            seconds.setdefault((cell["method"], cell["size"]), []).append(cell["seconds"]["all"])
    return seconds
