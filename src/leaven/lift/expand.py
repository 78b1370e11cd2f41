"""The first stage: read the rows, answer them anew, rewrite them in rounds; failures are rows, with their reason."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from leaven import plugs
from leaven.lift import stages as rows
from leaven.lift.settings import Settings
from leaven.llm.budget import Counted
from leaven.rows import files, outcomes
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs import folder as runs
from leaven.runs.progress import Progress

Open = Callable[[str, str], AbstractContextManager[Counted]]
"""Opens the engine of a spec, to be shown under a name while it is asked."""


def expanded(
    settings: Settings, folder: Path, progress: Progress, open_llm: Open, brought: Outcome | None = None
) -> Dataset:
    """Every row that there will ever be; the tables of the stages `read` and `expand` tell which of them are left."""
    path = folder / "rows.parquet"
    if path.exists() and (folder / "stages" / "expand.parquet").exists():
        return Dataset.load(path)
    read = brought or files.read(settings.data, settings.format, columns=settings.columns, strict=settings.strict)
    rows.note(folder, "read", read.notes, progress)
    if said := files.left_out(read.dropped):
        rows.note(folder, "left out", (said,), progress)
    made: list[Outcome] = []
    for name in ("reanswer", "evolve"):
        if settings.llm and getattr(settings, name) is not None:
            make = partial(_make, name, read.kept, settings, folder, open_llm)
            made.append(outcomes.stage(folder / "made" / f"{name}.parquet", make))
    return _joined(settings, read, made, folder)


def _joined(settings: Settings, read: Outcome, made: Sequence[Outcome], folder: Path) -> Dataset:
    """All rows in one table: read, unreadable, made, failed; the verdicts of both stages beside it."""
    usable = len(read.kept)
    pool = read.kept + Dataset.of(drop.example for drop in read.dropped)
    reasons = {usable + place: drop.reason for place, drop in enumerate(read.dropped)}
    details = {usable + place: drop.detail for place, drop in enumerate(read.dropped)}
    lost, why = dict[int, str](), dict[int, str]()
    if settings.llm and settings.reanswer:
        lost |= dict.fromkeys(range(usable), "answered anew")
    else:
        lost |= {place: "no answer" for place, row in enumerate(read.kept) if row.answer is None}
    stage_read = rows.verdicts(range(len(pool)), reasons, details)
    for outcome in made:
        start = len(pool) + len(outcome.kept)
        lost |= {start + place: drop.reason for place, drop in enumerate(outcome.dropped)}
        why |= {start + place: drop.detail for place, drop in enumerate(outcome.dropped)}
        pool = pool + outcome.kept + Dataset.of(drop.example for drop in outcome.dropped)
    pool.save(folder / "rows.parquet")
    rows.stage(folder, "read", lambda: stage_read)
    numbers = [*range(usable), *range(usable + len(read.dropped), len(pool))]
    rows.stage(folder, "expand", lambda: rows.verdicts(numbers, lost, why))
    return pool


def _make(name: str, data: Dataset, settings: Settings, folder: Path, open_llm: Open) -> Outcome:
    module = plugs.load("makers", name)
    with asked(open_llm, settings.llm, folder, name) as llm:
        found: Outcome = module.make(data, llm, getattr(settings, name), settings.seed)
    return found


@contextmanager
def asked(open_llm: Open, spec: str, folder: Path, stage: str) -> Iterator[Counted]:
    """The engine for one stage; the log of the run gets what it spent, however the stage ends."""
    with open_llm(spec, stage) as llm:
        try:
            yield llm
        finally:
            runs.log(folder, "calls", stage=stage, engine=llm.name, **llm.spend.counts())
