"""Rates and steps that suit a model and a task: each method's own, by trials on task rows that are held out.

Every method that tunes may have as many trials as any other (`tune.trials`), and no trial sees a row, a phrasing or a
question of a test. A trial tunes the method on four fifths of the task rows and asks the others, in phrasings of the
book that serve nothing else, and plain questions of the pool, which no buffer of a trial has. Better is who answers
more of the former in the format and says more of what their references hold, and answers fewer of the latter so: three
shares that weigh alike. Among settings that one question does not tell apart, who says more of what the untouched model
says. The format alone would take a tuning that always answers with the same label for one that has learnt all.
"""

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from leaven import plugs
from leaven.delia.bench import fit
from leaven.delia.settings import with_changes
from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.runs import folder as runs
from leaven.study import ceilings, needs
from leaven.study.recipe import MethodChoice
from leaven.task import wording
from leaven.task.holdout import hold_out
from leaven.task.task import Task
from leaven.task.test import Test, headline, score
from leaven.task.tests import dev_tests

if TYPE_CHECKING:  # what needs torch: the report reads what was searched without it
    from leaven.study.parts import Parts

GENTLER = (("learning_rate", 1 / 2), ("token_learning_rate", 1 / 4), ("num_train_epochs", 1 / 2))
STRONGER = (("num_train_epochs", 1.5), ("learning_rate", 2.0), ("token_learning_rate", 4.0))
"""What a trial changes of the best settings so far, one at a time, and by which factor."""
SEARCHED = tuple(dict.fromkeys(name for name, _ in (*GENTLER, *STRONGER)))
QUESTIONS = 24
"""Held-out rows that a trial asks at most, and plain questions."""
SPARE = 1.1
"""Of the questions that a method answers for its buffer some are lost, when their answers are cut or empty."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings, and what they did: `learnt`, `content` (held-out rows), `leak` and `kept` (plain questions) are shares.

    `learnt` are answers in the format, and of plain text the likeness to the reference; `content` is how much of the
    reference's value is there, None where the format reads none. The leak is None where no format can be told, and both
    it and what is kept where there are no plain questions.
    """

    method: str
    settings: Mapping[str, float]
    learnt: float
    content: float | None
    leak: float | None
    kept: float | None
    seconds: float

    @classmethod
    def read(cls, path: Path) -> Self:
        """The trial in a file; of an earlier leaven, which did not look at what answers say, without its content."""
        return cls(**{"content": None, **json.loads(path.read_text(encoding="utf-8"))})


@dataclass(frozen=True, slots=True)
class Search:
    """The trials of a study's methods, in `folder`; a trial that is there is not made again.

    `train` and `tests` are the rows of the trials, None where there are too few to hold any out; `note` says which.
    """

    parts: "Parts"
    folder: Path
    train: Dataset | None
    tests: tuple[Test, ...] = ()
    note: str = ""

    @classmethod
    def of(cls, parts: "Parts", task: Task, folder: Path, questions: int = 0) -> "Search":
        """The search of a study, or of one method, over this task's rows and pool; 0 questions: `QUESTIONS`."""
        questions = questions or QUESTIONS
        recipe, token = parts.recipe, task.token
        seed = recipe.seeds[0]
        rows = task.rows.take(max(recipe.sizes_of(len(task.rows))), seed)
        try:
            train, held_out, _ = hold_out(
                rows, "the task", config=recipe.leaks, content=partial(wording.content, token=token.text)
            )
        except UserError as error:
            return cls(parts, folder, None, note=f"No settings were searched: {error.problem}.")
        queries = task.pool.shuffle(seed)
        last = queries.rows(list(range(len(queries) - min(questions, len(queries) // 4), len(queries))))
        dev, plain = (test.limited(questions) for test in dev_tests(held_out, last, token, task.format))
        note = (
            f"Rates and steps: up to {recipe.tune.trials} trials of each method that tunes, on {len(train)} task rows, "
            f"with {len(held_out)} that are held out and {len(plain.rows)} plain questions; the report has each."
        )
        return cls(parts, folder, train, (dev, plain), note)

    def settings(self, method: MethodChoice) -> dict[str, float]:
        """The best settings for a method, to be changes of its `tune` section; none for one that does not tune."""
        config = method.settings
        budget = self.parts.recipe.tune.trials
        if not budget or self.train is None or not hasattr(config, "tune"):
            return {}
        tune, own = with_changes(self.parts.recipe.tune, config.tune), config.tune.keys()
        free = [name for name in SEARCHED if name not in own and getattr(tune, name)]
        trials: list[Trial] = []
        start = {name: getattr(tune, name) for name in free}
        while len(trials) < budget and not _solved(trials) and (settings := _next(trials, start)):
            trials.append(self.trial(method, str(len(trials)), settings))
            self.parts.progress.say(f"[{method.label}, trial {len(trials)} of {budget}] {sentence(trials[-1])}")
        return dict(best(trials).settings) if trials else {}

    def trial(self, method: MethodChoice, name: str, settings: Mapping[str, float], seed: int | None = None) -> Trial:
        """What these settings do for a method; a trial of this name that is there is read. The seed is the study's."""
        path = self.folder / method.label / f"{name}.json"
        if not path.exists():
            seed = self.parts.recipe.seeds[0] if seed is None else seed
            runs.write_json(path, asdict(self._tune_and_ask(method, path.with_suffix(""), settings, seed)))
        return Trial.read(path)

    def _tune_and_ask(self, method: MethodChoice, place: Path, settings: Mapping[str, float], seed: int) -> Trial:
        """Tune by these settings, and ask; what was tuned is thrown away."""
        assert self.train is not None
        began = time.perf_counter()
        plug = plugs.load("methods", method.name)
        own = method.model_copy(update={"config": with_settings(method.config, settings)})
        bench = self._parts(own, seed).bench(seed, place, name=f"a trial of {method.label}")
        fitted = fit(plug, self.train, bench, own.config)
        values: dict[str, float] = {}
        for test in self.tests_to_ask():
            answers = fitted.respond([row.prompt for row in test.rows])
            values |= ceilings.means(score(test, answers, self.parts.format))
        shutil.rmtree(place, ignore_errors=True)
        learnt = values.get(headline(self.tests[0])[0], 0.0)
        content, leak, kept = (values.get(name) for name in ("dev/content", "general/leak", "general/kept"))
        return Trial(method.label, dict(settings), learnt, content, leak, kept, time.perf_counter() - began)

    def _parts(self, method: MethodChoice, seed: int) -> "Parts":
        """The parts; their pool is without the questions that are asked, where the method's buffer may come to them.

        They stand last in the pool as the study's own seed shuffles it: a buffer of self-samples that does not reach
        them is left the whole pool, so that its samples are those that the study takes.
        """
        assert self.train is not None
        queries, plain = self.parts.pool.queries, {row.question for row in self.tests[1].rows}
        work = needs.work(method, len(self.train), self.parts.recipe.tune)
        reaches = not work.sampled_rows or SPARE * work.queries > len(queries) - len(plain)
        if seed == self.parts.recipe.seeds[0] and not reaches:
            return self.parts
        places = [place for place, row in enumerate(queries) if row.question not in plain]
        others = queries.rows(places, "without the plain questions of the trials")
        return replace(self.parts, pool=replace(self.parts.pool, queries=others))

    def tests_to_ask(self) -> Iterator[Test]:
        """The tests of a trial, with the untouched model's own answers to the plain questions, which are kept."""
        for test in self.tests:
            path = self.folder / f"{test.name}.parquet"
            if not path.exists():
                ceilings.with_own_answers(test, self.parts.untouched).rows.save(path)
            yield replace(test, rows=Dataset.load(path))


def with_settings(config: Mapping[str, Any], settings: Mapping[str, float]) -> dict[str, Any]:
    """A method's configuration with these settings in its `tune` section, where it has none of its own."""
    return {**config, "tune": {**settings, **config.get("tune", {})}} if settings else dict(config)


def trials(folder: Path) -> Iterator[dict[str, Any]]:
    """The trials in the folder of a search, method by method, each with whether its settings are the method's."""
    for place in sorted(path for path in folder.glob("*") if path.is_dir()):
        paths = sorted(place.glob("*.json"), key=lambda path: int(path.stem))
        siblings = [Trial.read(path) for path in paths]
        for trial in siblings:
            yield {**asdict(trial), "chosen": trial is best(siblings)}


def best(trials: Sequence[Trial]) -> Trial:
    """The trial that gains the most; of those within a question of it, the one that keeps the most.

    A gain is what is in the format and, where all trials tell, what it says, less what leaks.
    """
    all_tell = all(trial.content is not None for trial in trials)

    def gain(trial: Trial) -> float:
        return trial.learnt + (trial.content or 0.0) * all_tell - (trial.leak or 0.0)

    highest = max(map(gain, trials))
    near = [trial for trial in trials if gain(trial) >= highest - 1 / QUESTIONS]
    return max(near, key=lambda trial: (trial.kept or 0.0, gain(trial)))


def sentence(trial: Trial) -> str:
    """A trial in words."""
    settings = ", ".join(f"{name} {value:g}" for name, value in trial.settings.items())
    content = "" if trial.content is None else f", {trial.content:.0%} of their content"
    leak = "" if trial.leak is None else f", {trial.leak:.0%} of plain questions answered so"
    kept = "" if trial.kept is None else f", own answers kept {trial.kept:.2f}"
    return f"{settings}: held-out rows {trial.learnt:.0%}{content}{leak}{kept} ({trial.seconds:.0f} s)"


def _solved(trials: Sequence[Trial]) -> bool:
    """Whether a search ends: the best is within a question of all that can be learnt, and leaks nothing.

    What answers say may never be all that their references say: there it ends when another trial says no more.
    """
    lead = best(trials) if trials else None
    if lead is None or lead.leak or lead.learnt < 1 - 1 / QUESTIONS:
        return False
    return lead.content is None or lead.content >= 1 - 1 / QUESTIONS or lead is not trials[-1]


def _next(trials: Sequence[Trial], start: Mapping[str, float]) -> dict[str, float]:
    """The settings to try next: the start, then the best so far with one of them changed; none when all are tried."""
    if not trials:
        return dict(start)
    lead = best(trials)
    earlier = [dict(trial.settings) for trial in trials]
    for name, factor in _moves(lead):
        if name not in start:
            continue
        settings = {**lead.settings, name: _rounded(name, lead.settings[name] * factor)}
        if settings not in earlier:
            return settings
    return {}


def _moves(lead: Trial) -> Iterable[tuple[str, float]]:
    """Stronger settings first where the format is not learnt, gentler ones where the leak is the greatest fault.

    By turns where the content is: there may have been too little tuning as well as too much.
    """
    unlearnt, leak = 1 - lead.learnt, lead.leak or 0.0
    if unlearnt > max(leak, 1 / QUESTIONS):
        return (*STRONGER, *GENTLER)
    if lead.content is None or leak > 1 - lead.content:
        return (*GENTLER, *STRONGER)
    return chain.from_iterable(zip(STRONGER, GENTLER, strict=True))


def _rounded(name: str, value: float) -> float:
    return max(1, round(value)) if name == "num_train_epochs" else float(f"{value:.2g}")
