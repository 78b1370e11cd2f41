"""Run a study: for each cell draw the data, fit, answer, score, write. Who reads `run_cell` has read the project."""

import json
import math
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl

from leaven import plugs
from leaven.delia.bench import Bench, Fitted, fit
from leaven.delia.watch import Watch
from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Measure, Score
from leaven.runs import folder as runs
from leaven.runs import journal
from leaven.runs.lock import lock
from leaven.runs.progress import Progress
from leaven.scale.crew import Crew, crew
from leaven.study import ceilings, forgetting, manipulation, needs, preflight, ratio_pilot, trackers
from leaven.study.answer_judge import AnswerJudge
from leaven.study.ceilings import Ceiling
from leaven.study.cells import Cell, cells, open_cells
from leaven.study.identity import claim, dtype_here
from leaven.study.parts import Engines, Parts
from leaven.study.recipe import Recipe
from leaven.study.search import Search, trials, with_settings
from leaven.study.summary import summary
from leaven.task.scoring import PHRASING, question_of
from leaven.task.task import Task
from leaven.task.test import score
from leaven.task.tests import tests_of_study, with_ceiling

SCHEMA = {
    "method": pl.String, "size": pl.Int64, "seed": pl.Int64, "metric": pl.String, "item": pl.String, "value": pl.Float64
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Study:
    """What every cell is computed from: the recipe, the task, the folder, and which cells are wanted (None: all).

    When it is ready the ratio is a number, the task has its tests as they are asked, and each label the `settings` that
    a search chose. `dtype`: the numbers that the model runs in.
    """

    recipe: Recipe
    task: Task
    folder: Path
    only: Callable[[Cell], bool] | None = None
    dtype: str = ""
    settings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def cells(self) -> list[Cell]:
        """Those that are wanted, whether they are there or not."""
        plan = cells(self.recipe, len(self.task.rows))
        return [cell for cell in plan if self.only is None or self.only(cell)]


def run(
    recipe: Recipe,
    task: Task,
    folder: Path,
    progress: Progress,
    only: Callable[[Cell], bool] | None = None,
    continue_anyway: bool = False,
    pool: Path | None = None,
) -> Path:
    """Run or continue the study in `folder`, and return it; cells that are there are not computed again.

    `only` tells which cells to run, and leaves the study open for the others. A study may grow by seeds and by methods.
    The self-samples lie in the folder, or in that of a `pool`, which studies of the same queries may share. Where
    `recipe.scale` says so the cells are computed by a cluster; the folder, its lock and its journal stay with this
    process. Raises UserError that names what went into the study and has changed since, unless it is to
    `continue_anyway`.
    """
    progress = progress.within(folder)
    if not runs.closed(folder):
        preflight.check(recipe, task, folder)
    with lock(folder):
        if runs.closed(folder) and not open_cells(cells(recipe, len(task.rows)), folder):
            if not continue_anyway:
                claim(recipe, task, folder, finished=True)
            trackers.report(recipe.report_to, folder, progress)
            progress.say(f"{folder}: finished at {runs.finished(folder)}, nothing to do.")
            return folder
        engines = Engines.of(recipe)
        make = partial(Parts.of, recipe, task, folder.absolute(), progress, engines, pool and pool.absolute())
        weights = [path for path in (Path(recipe.model),) if path.exists()]  # a hub id is looked up by each machine
        with crew(recipe.scale, folder, progress, make, weights) as workers:
            ((_, dtype),) = workers.each(_dtype, [recipe])
            claim(recipe, task, folder, continue_anyway, dtype=dtype)
            runs.reopen(folder)
            ((_, study),) = workers.each(_prepare_study, [Study(recipe, task, folder.absolute(), only, dtype)])
            _compute(study, workers, progress)
        for llm in engines.asked():
            progress.say(f"{llm.name}: {llm.spend.sentence()}")
            runs.log(folder, "calls", engine=llm.name, **llm.spend.counts())
        plan = cells(study.recipe, len(task.rows))
        left = open_cells(plan, folder)
        _gather(study.recipe, study.task, tuple(cell for cell in plan if cell not in left), folder)
        if not left:
            runs.close(folder)
    return folder


def _prepare_study(parts: Parts, study: Study) -> Study:
    """The study with its tests and what the untouched model says to them, its ratio, and the settings that suit it."""
    recipe, task, folder = study.recipe, _prepare(study.recipe, study.task, study.folder, parts), study.folder
    runs.write_json(folder / "plan.json", [cell.name for cell in cells(recipe, len(task.rows))])
    recipe, ratio_notes = ratio_pilot.with_ratio(recipe, task, folder, parts)
    labels = {cell.method.label for cell in replace(study, recipe=recipe).cells}
    settings, notes = _search(recipe, task, folder, parts, labels)
    task = replace(task, notes=(*task.notes, *ratio_notes, *notes))
    return replace(study, recipe=recipe, task=task, settings=settings)


def _compute(study: Study, workers: Crew[Parts], progress: Progress) -> None:
    """The cells that are not there yet. The log is written here alone: lines from several machines might mix."""
    trackers.report(study.recipe.report_to, study.folder, progress)
    left = open_cells(study.cells, study.folder)
    left = _apart(left, study.recipe) if study.recipe.scale.on else left
    for place, _ in workers.each(partial(_cell, study), left):
        name = left[place].name
        about = json.loads((study.folder / "cells" / name / "cell.json").read_text(encoding="utf-8"))
        runs.log(study.folder, "cell", name=name, seconds=about["seconds"]["all"], steps=about["steps"])
        trackers.report(study.recipe.report_to, study.folder, progress)


def _apart(plan: Sequence[Cell], recipe: Recipe) -> list[Cell]:
    """The cells in turns of one for each seed, those with the most self-samples first.

    Cells of one seed share a pool, and those that come while another samples it wait.
    """
    turns = []
    for seed in recipe.seeds:
        own = [cell for cell in plan if cell.seed == seed]
        samples = {cell.name: needs.work(cell.method, cell.size, recipe.tune).sampled_rows for cell in own}
        turns.append(sorted(own, key=lambda cell: -samples[cell.name]))
    return [cell for turn in zip_longest(*turns) for cell in turn if cell is not None]


def _cell(study: Study, parts: Parts, cell: Cell) -> None:
    """One cell, unless it is there by now: a machine that was thought lost may have ended it meanwhile."""
    plan, place = study.cells, study.folder / "cells" / cell.name
    if (dtype := _dtype(parts, study.recipe)) != study.dtype:
        raise UserError(
            f"{socket.gethostname()} would compute {cell.name} in {dtype}, the others are computed in {study.dtype}",
            "Say what all machines can: dtype: float32, in the recipe's `tune`, or --dtype.",
        )
    with lock(place, wait=parts.progress.say):
        if not runs.closed(place):
            parts.progress.say(f"[{plan.index(cell) + 1}/{len(plan)}] {cell.name}")
            run_cell(study.recipe, study.task, cell, study.folder, parts, study.settings.get(cell.method.label, {}))


def _dtype(parts: Parts, recipe: Recipe) -> str:
    """The numbers that the model runs in where the parts are."""
    return dtype_here(recipe)


def run_cell(recipe: Recipe, task: Task, cell: Cell, folder: Path, parts: Parts, settings: Mapping[str, float]) -> None:
    """Draw, fit, answer, score, write: one method at one size and seed, tuned by the `settings` that a search chose."""
    place = folder / "cells" / cell.name
    place.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    train = task.rows.take(cell.size, cell.seed)
    train.save(place / "data" / "train.parquet")
    method = plugs.load("methods", cell.method.name)
    bench = parts.bench(cell.seed, place, Watch.of(task.tests, recipe.evaluate.watch, place))
    config = with_settings(cell.method.config, settings)
    fitted = fit(method, train, bench, config)
    mine = replace(task, tests=tuple(test for test in task.tests if cell.method.takes(test.name)))
    answers = _answer(fitted, mine, bench)
    probes = recipe.probes if cell.method.probes is None else cell.method.probes
    scores = [*_scores(mine, answers, bench, parts.engines.judge), *_probe(probes, fitted, task, bench)]
    with bench.ledger.timed("probe"):
        scores += manipulation.measure(bench)
    scores += _benchmarks(recipe, fitted, bench, parts)
    rows = [Score(cell.method.label, cell.size, cell.seed, *measure) for measure in scores]
    _answers_frame(mine, answers).write_parquet(place / "answers.parquet")
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(phrasing=_phrasings(mine))
    frame.write_parquet(place / "scores.parquet")
    _dropped_frame([(cell.name, drop) for drop in (*bench.ledger.dropped, *fitted.dropped)]).write_parquet(
        place / "dropped.parquet"
    )
    runs.write_json(place / "cell.json", _about(cell, config, method, fitted, bench, time.perf_counter() - began))
    runs.close(place)


def _answer(fitted: Fitted, task: Task, bench: Bench) -> dict[str, list[str]]:
    """Greedy answers to every test, all tests in one go."""
    prompts = [example.prompt for test in task.tests for example in test.rows]
    with bench.ledger.timed("answer"):
        texts = iter(fitted.respond(prompts))
    return {test.name: [next(texts) for _ in range(len(test.rows))] for test in task.tests}


def _scores(task: Task, answers: dict[str, list[str]], bench: Bench, judge: AnswerJudge | None) -> Iterator[Measure]:
    for test in task.tests:
        yield from score(test, answers[test.name], task.format, judge)
    if judge and (note := judge.note()):
        bench.ledger.notes.append(note)


def _probe(probes: Sequence[str], fitted: Fitted, task: Task, bench: Bench) -> Iterator[Measure]:
    if fitted.loaded is None:
        return
    with bench.ledger.timed("probe"):
        for name in probes:
            probe = plugs.load("probes", name)
            for measure in probe.measure(fitted.loaded, task):
                yield measure._replace(metric=f"{plugs.title(name)}/{measure.metric}")


def _search(
    recipe: Recipe, task: Task, folder: Path, parts: Parts, labels: Collection[str]
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """The settings that a search finds best for each of these methods, and a note; trials stay in the folder."""
    if not recipe.tune.trials:
        return {}, []
    search = Search.of(parts, task, folder / "search")
    wanted = [method for method in recipe.methods if method.label in labels]
    parts.progress.say(search.note)
    return {method.label: search.settings(method) for method in wanted}, [search.note]


def _benchmarks(recipe: Recipe, fitted: Fitted, bench: Bench, parts: Parts) -> list[Measure]:
    """What the model answers to public benchmarks; one that was not trained answers as before."""
    if fitted.loaded is None or not fitted.steps:
        return []
    folder = bench.folder / "benchmarks"
    shutil.rmtree(folder, ignore_errors=True)  # of a cell that was stopped, and is tuned anew
    with bench.ledger.timed("benchmarks"):
        return forgetting.ask(recipe.evaluate, lambda: fitted.weights, folder, parts.progress, bench.folder.name)


def _prepare(recipe: Recipe, task: Task, folder: Path, parts: Parts) -> Task:
    """The task as the run keeps it: tests limited, and with what the untouched model says to them."""
    for note in task.notes:
        parts.progress.say(note)
    _dropped_frame(list(task.dropped)).write_parquet(folder / "dropped.parquet")
    ready = []
    for test in tests_of_study(task.tests, recipe.evaluate, recipe.token):
        path = folder / "data" / "tests" / f"{test.name}.parquet"
        if not path.exists():
            ceilings.with_own_answers(test, parts.untouched).rows.save(path)
        same, questions = replace(test, rows=Dataset.load(path)), recipe.evaluate.ceiling_questions
        ready.append(with_ceiling(same, recipe.token, task.format, questions))
    for test in ready:
        answers = folder / "untouched" / f"{test.name}.parquet"
        is_asked = any(method.takes(test.name) for method in recipe.methods)
        if test.ceiling is not None and is_asked and not answers.exists():
            runs.stage(answers, ceilings.answer(test, parts.untouched).write_parquet)
    untouched = folder / "untouched" / "benchmarks"
    forgetting.ask(recipe.evaluate, parts.base.lend, untouched, parts.progress, "untouched")
    sentences = [forgetting.check(name, recipe.evaluate) for name in recipe.evaluate.benchmarks]
    return replace(task, tests=tuple(ready), notes=(*task.notes, *filter(None, sentences)))


def _ceilings(task: Task, folder: Path) -> dict[str, Ceiling]:
    """What the untouched model reaches on each test in plain words, from its stored answers."""
    values = {}
    for test in task.tests:
        path = folder / "untouched" / f"{test.name}.parquet"
        if test.ceiling is not None and path.exists():
            texts = dict(pl.read_parquet(path).select("item", "answer").iter_rows())
            answers = [texts[row.id] for row in test.ceiling]
            if ceiling := ceilings.ceiling(test, answers, task.format):
                values[test.name] = ceiling
    return values


def _gather(recipe: Recipe, task: Task, plan: tuple[Cell, ...], folder: Path) -> None:
    """All scores in one table, what was dropped in another, and the summary."""
    places = [folder / "cells" / cell.name for cell in plan]
    untouched = forgetting.read(recipe.evaluate, folder / "untouched" / "benchmarks")
    before = forgetting.scores(untouched, list(dict.fromkeys((cell.size, cell.seed) for cell in plan)))
    scores = pl.concat(
        [
            *(pl.read_parquet(place / "scores.parquet") for place in places),
            pl.DataFrame(list(before), schema=SCHEMA, orient="row"),
        ],
        how="diagonal",  # benchmarks have no phrasings, nor have cells of an earlier leaven
    )
    scores.write_parquet(folder / "scores.parquet")
    dropped = [
        _dropped_frame(list(task.dropped)),
        *(pl.read_parquet(place / "dropped.parquet") for place in places),
    ]
    pl.concat(dropped).write_parquet(folder / "dropped.parquet")
    notes = (*task.notes, *journal.notes(folder / journal.NAME))
    about = [json.loads((place / "cell.json").read_text(encoding="utf-8")) for place in places]
    searched = list(trials(folder / "search"))
    forgotten = forgetting.compare(scores, untouched)
    values = summary(recipe, scores, task.tests, notes, about, _ceilings(task, folder), searched, forgotten)
    runs.write_json(folder / "summary.json", values)


def _phrasings(task: Task) -> pl.Expr:
    """In which words each item of a table of scores was asked; null where its row does not say.

    An item that is a question asked in several ways (`negation/controlled`) has the last of them: there, it is the
    prohibition, by which such items differ most.
    """
    words = {
        f"{test.name} {item}": str(row.meta[PHRASING])
        for test in task.tests
        for row in test.rows
        if PHRASING in row.meta
        for item in (row.id, question_of(row))
    }
    key = pl.concat_str(pl.col("metric").str.extract("^([^/]*)/"), pl.lit(" "), pl.col("item"))
    return key.replace_strict(words, default=None, return_dtype=pl.String)


def _answers_frame(task: Task, answers: dict[str, list[str]]) -> pl.DataFrame:
    rows = [
        {
            "test": test.name, "item": row.id, "prompt": row.question, "reference": row.answer, "answer": answer
        }
        for test in task.tests
        for row, answer in zip(test.rows, answers[test.name], strict=True)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=dict.fromkeys(("test", "item", "prompt", "reference", "answer"), pl.String))


def _dropped_frame(dropped: list[tuple[str, Drop]]) -> pl.DataFrame:
    rows = [
        (where, drop.reason, drop.score, drop.detail, drop.example.question, drop.example.origin.place)
        for where, drop in dropped
    ]
    names = ("where", "reason", "score", "detail", "text", "place")
    return pl.DataFrame(rows, orient="row", schema={n: pl.Float64 if n == "score" else pl.String for n in names})


def _about(
    cell: Cell, config: Mapping[str, Any], method: Any, fitted: Fitted, bench: Bench, seconds: float
) -> dict[str, Any]:
    return {
        "method": cell.method.label,
        "size": cell.size,
        "seed": cell.seed,
        "method_summary": plugs.summary(method),
        "config": config,
        "steps": fitted.steps,
        "tokens": fitted.tokens,
        "trained_tokens": fitted.trained_tokens,
        "losses": [None if math.isnan(loss) else round(loss, 5) for loss in fitted.losses],
        "seconds": {name: round(value, 2) for name, value in {**bench.ledger.seconds, "all": seconds}.items()},
        "notes": bench.ledger.notes,
        **_mix(bench.folder),
    }


def _mix(folder: Path) -> dict[str, Any]:
    """What the cell's mixture is made of; that of a second stage of training is in it as `second_stage`."""
    first, second = (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        for path in (folder / "mix.json", folder / "mix-2.json")
    )
    return {"mix": [], "spacing": None, **first, **({"second_stage": second} if second else {})}
