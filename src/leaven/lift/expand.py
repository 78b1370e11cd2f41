"""The rows that are read, and those that makers make of them: failures are rows too, with their reason."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from leaven.errors import UserError
from leaven.lift import stages as rows
from leaven.lift.recipe import Stage
from leaven.lift.settings import Settings
from leaven.llm.budget import Counted
from leaven.rows import files, outcomes
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs import content
from leaven.runs import folder as runs
from leaven.runs.progress import Progress

Open = Callable[[str, str], AbstractContextManager[Counted]]
"""Opens the engine of a spec, to be shown under a name while it is asked."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Every row so far, in the order of their numbers, and the numbers of those that are left.

    The first `usable` rows are those that could be read.
    """

    rows: Dataset
    ids: tuple[str, ...]
    alive: tuple[int, ...]
    usable: int

    @property
    def left(self) -> Dataset:
        """The rows that are left."""
        return self.rows.rows(list(self.alive))

    def known_by(self, *about: object) -> str:
        """What stands for the rows that are left and for this, in the ledger of stages."""
        return content.rows([repr(about), *(f"{number} {self.ids[number]}" for number in self.alive)])

    def with_alive(self, alive: Sequence[int]) -> "Pool":
        """The same rows, of which others are left."""
        return replace(self, alive=tuple(alive))


def read(settings: Settings, folder: Path, progress: Progress, brought: Outcome | None = None) -> Pool:
    """The rows of the file, and behind them those that could not be read, which are not left."""
    outcome = brought or files.read(settings.data, settings.format, columns=settings.columns, strict=settings.strict)
    rows.note(folder, "read", outcome.notes, progress)
    if sentence := files.left_out(outcome.dropped):
        rows.note(folder, "left out", (sentence,), progress)
    usable = len(outcome.kept)
    data = outcome.kept + Dataset.of(drop.example for drop in outcome.dropped)
    pool = Pool(data, tuple(row.id for row in data), tuple(range(usable)), usable)
    reasons = {usable + place: drop.reason for place, drop in enumerate(outcome.dropped)}
    details = {usable + place: drop.detail for place, drop in enumerate(outcome.dropped)}
    rows.stage(folder, "read", pool.known_by(), lambda: rows.verdicts(range(len(data)), reasons, details))
    return pool


def load(folder: Path) -> Pool:
    """The rows of a lift whose makers have made all, and those of them that were left then."""
    data, stages = Dataset.load(folder / "rows.parquet"), folder / "stages"
    usable = len(rows.kept(stages / "read.parquet"))
    return Pool(data, tuple(row.id for row in data), tuple(rows.kept(stages / "answers.parquet")), usable)


def made(
    stage: Stage, data: Dataset, settings: Settings, folder: Path, open_llm: Open, making: int, made_from: str
) -> Outcome:
    """What the maker of a stage makes of these rows; in a file as soon as no call of it has failed."""
    path = folder / "made" / (f"{stage.name}.parquet" if making == 0 else f"{stage.name}-{making + 1}.parquet")
    if rows.current(path, folder, made_from):
        return outcomes.read(path)
    with asked(open_llm, engine(stage, settings), folder, stage.name) as llm:
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
    ids = (*pool.ids, *(row.id for row in data.rows(list(range(len(pool.rows), len(data))))))
    replaced = _parents(pool, data.rows(new)) if stage.replaces else []
    reasons |= dict.fromkeys(replaced, stage.replaces)
    alive = [number for number in pool.alive if number not in reasons]
    grown = replace(pool, rows=data, ids=ids, alive=(*alive, *new))
    inputs = grown.known_by(stage.name, sorted(reasons.items()))
    numbers = [*replaced, *range(len(pool.rows), len(data))]
    rows.stage(folder, stage.name, inputs, lambda: rows.verdicts(numbers, reasons, details))
    return grown


def answered(pool: Pool, folder: Path) -> Pool:
    """The pool without the rows that nobody has answered."""
    silent = [number for number in pool.alive if pool.rows[number].answer is None]
    reasons = dict.fromkeys(silent, "no answer")
    alive = [number for number in pool.alive if number not in reasons]
    rows.stage(folder, "answers", pool.known_by(), lambda: rows.verdicts(pool.alive, reasons))
    return pool.with_alive(alive)


def failures(makings: Sequence[Outcome]) -> list[str]:
    """The errors of the calls that failed."""
    return [drop.detail for outcome in makings for drop in outcomes.failures(outcome)]


def _parents(pool: Pool, new: Dataset) -> list[int]:
    """The numbers of the rows that these were made of; of equal rows as many leave as have a new one."""
    count = Counter(parent for row in new for parent in row.origin.parents)
    numbers = []
    for number in pool.alive:
        if count[pool.ids[number]] > 0:
            count[pool.ids[number]] -= 1
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
def asked(open_llm: Open, spec: str, folder: Path, stage: str) -> Iterator[Counted]:
    """The engine for one stage; the log of the run gets what it spent, however the stage ends."""
    with open_llm(spec, stage) as llm:
        try:
            yield llm
        finally:
            runs.log(folder, "calls", stage=stage, engine=llm.name, **llm.spend.counts())
