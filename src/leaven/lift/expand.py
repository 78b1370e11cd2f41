"""The rows that are read, and those that makers make of them: failures are rows too, with their reason."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from leaven.errors import UserError
from leaven.lift import stages as rows
from leaven.lift.recipe import Stage
from leaven.lift.settings import Settings
from leaven.llm.budget import Counted
from leaven.rows import files, jsonl, outcomes, texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.rows.shards import Places, Shards
from leaven.runs import content
from leaven.runs import folder as runs
from leaven.runs.progress import Progress

FILE = "rows.parquet"
"""Every row of a lift: at first those that were read, in the end those that were made too."""
Open = Callable[[str, str], AbstractContextManager[Counted]]
"""Opens the engine of a spec, to be shown under a name while it is asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Every row so far, in the order of their numbers, their ids, and the numbers of those that are left, ascending.

    The first `usable` rows are those that could be read.
    """

    rows: Dataset
    ids: pl.Series
    alive: Places
    usable: int

    @property
    def left(self) -> Dataset:
        """The rows that are left."""
        return self.rows.rows(self.alive)

    def known_by(self, *about: object) -> str:
        """What stands for the rows that are left and for this, in the ledger of stages."""
        lines = pl.DataFrame([pl.Series("row", self.alive), self.ids[self.alive].alias("id")])
        named = lines.select(pl.format("{} {}", "row", "id")).to_series()
        return content.rows(chain([repr(about)], named))

    def with_alive(self, alive: Places) -> "Pool":
        """The same rows, of which others are left."""
        return replace(self, alive=alive)


def read(settings: Settings, folder: Path, progress: Progress, brought: Outcome | None = None) -> Pool:
    """The rows of the file, and behind them those that could not be read, which are not left."""
    path = folder / FILE
    outcome = brought or jsonl.read(settings.data, path, settings.format, settings.columns, settings.strict)
    rows.note(folder, "read", outcome.notes, progress)
    if sentence := files.left_out(outcome.dropped):
        rows.note(folder, "left out", (sentence,), progress)
    usable = len(outcome.kept)
    there = isinstance(outcome.kept.table, Shards)  # with those that can't be used behind them
    data = Dataset.open(path) if there else outcome.kept + Dataset.of(drop.example for drop in outcome.dropped)
    pool = Pool(data, texts.ids(data), np.arange(usable), usable)
    reasons = {usable + place: drop.reason for place, drop in enumerate(outcome.dropped)}
    details = {usable + place: drop.detail for place, drop in enumerate(outcome.dropped)}
    rows.stage(folder, "read", pool.known_by(), lambda: rows.verdicts(np.arange(len(data)), reasons, details))
    return pool


def load(folder: Path) -> Pool:
    """The rows of a lift whose makers have made all, and those of them that were left then."""
    data, stages = Dataset.open(folder / FILE), folder / "stages"
    usable = len(rows.kept(stages / "read.parquet"))
    return Pool(data, texts.ids(data), rows.kept(stages / "answers.parquet"), usable)


def make(
    stage: Stage, data: Dataset, settings: Settings, folder: Path, open_llm: Open, making: int, made_from: str
) -> Outcome:
    """What the maker of a stage makes of these rows; in a file as soon as no call of it has failed.

    No label holds a dot: the second making of `evolve` is `evolve.2`, and `evolve-2` is another stage.
    """
    path = folder / "made" / (f"{stage.name}.parquet" if making == 0 else f"{stage.name}.{making + 1}.parquet")
    if rows.current(path, folder, made_from):
        return outcomes.read(path)
    with open_engine(open_llm, engine(stage, settings), folder, stage.name) as llm:
        outcome: Outcome = stage.module.make(data, llm, stage.settings(), settings.seed + making)
    if not outcomes.failures(outcome):
        outcomes.write(outcome, path)
        rows.settle(path, folder, made_from)
    return outcome


def joined(stage: Stage, pool: Pool, makings: Sequence[Outcome], folder: Path) -> Pool:
    """The pool with the rows that were made; where a maker replaces, a row leaves as soon as its new one is there."""
    data, new = pool.rows, list[int]()
    reasons, details = dict[int, str](), dict[int, str]()
    for outcome in makings:
        start = len(data)
        new += range(start, start + len(outcome.kept))
        failed = range(start + len(outcome.kept), start + len(outcome.kept) + len(outcome.dropped))
        reasons |= {number: drop.reason for number, drop in zip(failed, outcome.dropped, strict=True)}
        details |= {number: drop.detail for number, drop in zip(failed, outcome.dropped, strict=True)}
        data = data + outcome.kept + Dataset.of(drop.example for drop in outcome.dropped)
    ids = pl.concat([pool.ids, texts.ids(data.rows(np.arange(len(pool.rows), len(data))))])
    replaced = _parents(pool, data.rows(new)) if stage.replaces else []
    reasons |= dict.fromkeys(replaced, stage.replaces)
    alive = np.asarray([*(number for number in pool.alive.tolist() if number not in reasons), *new], np.int64)
    grown = replace(pool, rows=data, ids=ids, alive=alive)
    inputs = grown.known_by(stage.name, sorted(reasons.items()))
    numbers = [*replaced, *range(len(pool.rows), len(data))]
    rows.stage(folder, stage.name, inputs, lambda: rows.verdicts(numbers, reasons, details))
    return grown


def answered(pool: Pool, folder: Path) -> Pool:
    """The pool without the rows that nobody has answered, or with nothing but blanks."""
    silent = [~texts.present(answers).to_numpy() for answers in texts.batches(pool.left, "answer")]
    gone = np.concatenate(silent) if silent else np.zeros(0, bool)
    reasons = dict.fromkeys(pool.alive[gone].tolist(), "no answer")
    rows.stage(folder, "answers", pool.known_by(), lambda: rows.verdicts(pool.alive, reasons))
    return pool.with_alive(pool.alive[~gone])


def failures(makings: Sequence[Outcome]) -> list[str]:
    """The errors of the calls that failed."""
    return [drop.detail for outcome in makings for drop in outcomes.failures(outcome)]


def _parents(pool: Pool, new: Dataset) -> list[int]:
    """The numbers of the rows that these were made of; of equal rows as many leave as have a new one."""
    count = Counter(parent for row in new for parent in row.origin.parents)
    numbers = []
    for number, name in zip(pool.alive.tolist(), pool.ids[pool.alive], strict=True):
        if count[name] > 0:
            count[name] -= 1
            numbers.append(number)
    return numbers


def engine(stage: Stage, settings: Settings) -> str:
    """The engine that a stage asks. Raises UserError where it needs one and there is none."""
    if "llm" not in stage.needs:
        return ""
    spec = stage.llm or (settings.llm if stage.makes else settings.judge or settings.llm)
    if not spec:
        kind, hint = ("maker", "Say --llm ENGINE.") if stage.makes else (
            "selector", "Say --judge ENGINE (or --llm), or select otherwise, for example --quality length."
        )  # fmt: skip
        need = "an engine" if stage.makes else "a judge"
        raise UserError(f"the {kind} {stage.name} needs {need}", hint)
    return spec


@contextmanager
def open_engine(open_llm: Open, spec: str, folder: Path, stage: str) -> Iterator[Counted]:
    """The engine for one stage; the log of the run gets what it spent, however the stage ends."""
    with open_llm(spec, stage) as llm:
        try:
            yield llm
        finally:
            runs.log(folder, "calls", stage=stage, engine=llm.name, **llm.spend.counts())
