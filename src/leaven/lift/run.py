"""LIFT: rows in, stages that make some and keep some, a small dataset out; and the reason for every row.

Each stage leaves a file in the run's folder and is not carried out again as long as it would be given the same rows.
Who reads `run` and `_carried_out` has read the method.
"""

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import polars as pl

from leaven import extras
from leaven.errors import Unfinished, UserError
from leaven.lift import audit, curate, embedding, expand, preflight
from leaven.lift import stages as rows
from leaven.lift.curate import Embedded
from leaven.lift.expand import Open, Pool
from leaven.lift.recipe import Stage, halves
from leaven.lift.scores import NeverScored
from leaven.lift.selection import Context, Size
from leaven.lift.settings import Settings, claim
from leaven.lift.sizes import SITTING
from leaven.llm.budget import BudgetReached
from leaven.rows import export
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs import content
from leaven.runs import folder as runs
from leaven.runs.lock import lock
from leaven.runs.progress import Progress
from leaven.scale.crew import Crew, crew
from leaven.scale.settings import ScaleSection

Shared = TypeVar("Shared")
ENOUGH_REPLIES = 20
"""Of so many replies of a maker at least one should have made a row."""
SPARE = 1.1
"""So many times what is missing is made, where fewer rows are accepted than are wanted."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every stage is given: the settings, the folder, how engines are opened, and rows of Python if any.

    `taken`: the rows, and all that was paid for, are those of another lift. `scale`: who carries out pieces of rows.
    """

    settings: Settings
    folder: Path
    progress: Progress
    open_llm: Open
    taken: bool = False
    brought: Outcome | None = None
    scale: ScaleSection = field(default_factory=ScaleSection)

    def crew(self, make: Callable[[], Shared], gpu: bool = False) -> AbstractContextManager[Crew[Shared]]:
        """Those who carry out pieces of the rows, which have in common what `make` makes."""
        config = self.scale if gpu else self.scale.model_copy(update={"num_gpus": 0})
        weights = [path for path in (Path(self.settings.model),) if self.settings.model and path.exists()]
        return crew(config, self.folder, self.progress, make, weights)


@dataclass(frozen=True, slots=True)
class State:
    """How far a lift is: its rows, those that makers were given, their embeddings once there are some.

    `open` holds by stage the errors of the calls that failed: rows on which there is no verdict yet.
    """

    pool: Pool
    parents: Pool
    embedded: Embedded | None = None
    open: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a lift has come to: its rows, the embeddings that it was selected by, and what is open."""

    pool: Pool
    parents: int
    embedded: Embedded
    open: Mapping[str, Sequence[str]]


def run(
    settings: Settings,
    folder: Path,
    progress: Progress,
    open_llm: Open,
    source: Path | None = None,
    continue_anyway: bool = False,
    brought: Outcome | None = None,
    checks: Sequence[Callable[[], object]] = (),
    scale: ScaleSection | None = None,
) -> dict[str, Sequence[str]]:
    """Carry out or continue the lift in `folder`; returns by stage the errors of calls that failed: its open rows.

    Engines are opened only when something is asked. With `source`, a finished lift, all that was paid for there is
    taken over; `brought` are rows of Python in place of the file of the settings. Where `scale` says so pieces of the
    rows are computed by a cluster; engines are asked by this process alone. Raises UserError that names what went
    into the lift and has changed since, unless it is to `continue_anyway`; and one that says all that would stop it, by
    `checks` of the caller's too, before the first call. Raises Unfinished where too many calls of a stage fail.
    """
    if source and not runs.closed(source):
        raise runs.unfinished(source, "lift")
    settings = settings.model_copy(update={"embedder": embedding.settled(settings.embedder)})
    progress, scale = progress.within(folder), scale or ScaleSection()
    if not runs.closed(folder):
        checks = [*checks, partial(extras.require, *scale.packages)]
        preflight.check(settings, folder, open_llm, brought=brought, source=source, checks=checks)
    with _or_none(folder) if source else nullcontext(), lock(folder):
        if not (runs.closed(folder) and continue_anyway):
            claim(folder, settings, source, continue_anyway)
        if runs.closed(folder):
            progress.say(f"{folder}: finished at {runs.finished(folder)}, nothing to do.")
            return {}
        runs.log(folder, SITTING)
        if settings.spread:
            rows.note(folder, "read", (embedding.WITHOUT,), progress)
        if source:
            _take_over(settings, source, folder)
        work = Work(settings, folder, progress, open_llm, bool(source), brought, scale)
        result = _refilled(work)
        if isinstance(result.pool.rows.table, pl.DataFrame):  # else they lie there already
            result.pool.rows.save(folder / expand.FILE)
        audit.write(settings, result.pool, result.embedded, folder, work.crew)
        _exported(settings, folder)
        if not result.open:
            runs.close(folder)
    return dict(result.open)


@contextmanager
def _or_none(folder: Path) -> Iterator[None]:
    """Around a choice by another lift's scores: one that they don't suffice for leaves no folder where there was none.

    Nothing was paid for in it, and the next choice may have its name.
    """
    was_there = folder.is_dir() and any(folder.iterdir())
    try:
        yield
    except NeverScored:
        if not was_there:
            shutil.rmtree(folder)
        raise


def _refilled(work: Work) -> Result:
    """The lift; where fewer rows are accepted than are wanted, more are made, as often as the settings allow.

    A budget that ends meanwhile leaves the rows that are there, and the lift open.
    """
    further: list[int] = []
    result = _carried_out(work, further)
    for _ in range(0 if work.taken else work.settings.refill):
        missing = work.settings.n - len(result.pool.alive)
        if missing <= 0 or result.open:
            break
        rate = max(1, len(result.pool.alive)) / (result.parents + sum(further))
        further.append(min(result.parents, math.ceil(SPARE * missing / rate)))
        try:
            result = _carried_out(work, further)
        except BudgetReached as reached:
            return replace(_carried_out(work, further[:-1]), open={"refill": [reached.problem]})
    count, times = len(result.pool.alive), len(further)
    if times and count < work.settings.n and not result.open:
        after = f"after {times} refill{'s' * (times > 1)}"
        short = f"{count:,} of {work.settings.n:,} rows are accepted {after}: a larger --refill makes more."
        rows.note(work.folder, "refill", [short], work.progress)
    return result


def _carried_out(work: Work, further: Sequence[int]) -> Result:
    """Every stage in its order; `further` makings are of so many rows each."""
    plan = work.settings.plan
    making, _ = halves(plan)
    if work.taken:
        pool = expand.load(work.folder)
    else:
        pool = expand.read(work.settings, work.folder, work.progress, work.brought)
        pool = pool if making else expand.answered(pool, work.folder)
    state = State(pool, pool)
    for place, stage in enumerate(plan):
        if work.taken and place < len(making):
            continue
        if not len(state.pool.alive):
            raise UserError(f"no row is left for the stage {stage.name}", f"Look at {work.folder}/stages for why.")
        if stage.makes:
            together = place > 0 and plan[place - 1].makes  # makers that stand together are given the same rows
            state = _made(work, stage, state if together else replace(state, parents=state.pool), further)
            if place == len(making) - 1:
                state = replace(state, pool=expand.answered(state.pool, work.folder))
        else:
            state = _kept(work, stage, state, place >= len(making), place == len(plan) - 1)
    return _cut(work, state)


def _made(work: Work, stage: Stage, state: State, further: Sequence[int]) -> State:
    """The rows with those that a maker adds; a maker of new answers is asked once, others as often as is needed."""
    again = [] if stage.replaces else further
    makings = []
    there = len(state.parents.alive)
    for making, count in enumerate([there, *(min(count, there) for count in again)]):
        data = state.parents.left if making == 0 else state.parents.left.take(count, work.settings.seed + making)
        config = stage.settings().model_dump(mode="json")
        about = (stage.plug, expand.engine(stage, work.settings), config, work.settings.seed, making, count)
        inputs = state.parents.known_by(content.named(about))
        makings.append(expand.make(stage, data, work.settings, work.folder, work.open_llm, making, inputs))
    errors = expand.failures(makings)
    _bear(work, stage, errors, sum(len(one.kept) + len(one.dropped) for one in makings))
    _expect_rows(work, stage, makings)
    pool = expand.joined(stage, state.pool, makings, work.folder)
    return replace(state, pool=pool, open={**state.open, stage.name: errors} if errors else state.open)


def _kept(work: Work, stage: Stage, state: State, selecting: bool, last: bool) -> State:
    """The rows that a selector keeps; the last one keeps as many as are wanted, unless its settings say otherwise.

    The first that is about more than single rows embeds all that are left once no more are made, for later ones too.
    """
    pool, settings = state.pool, work.settings
    sized = last and not {"n", "keep"} & set(stage.config)
    config = stage.settings(**({"n": min(settings.n, len(pool.alive))} if sized else {}))
    if selecting and state.embedded is None and ("vectors" in stage.needs or isinstance(config, Size)):
        embedded = curate.embedded(settings, pool, work.folder, work.progress, work.open_llm, work.taken, work.crew)
        state = replace(state, embedded=embedded)
    embedded_already = state.embedded
    context = Context(
        settings.seed,
        lambda _: (
            embedded_already.of(pool)
            if embedded_already
            else curate.vectors(settings, pool, work.folder, work.progress, work.open_llm, work.crew)
        ),
        model=settings.model,
        progress=work.progress,
        embed_text=settings.embed_text,
    )
    scores = curate.scored(stage, pool, config, context, settings, work.folder, work.open_llm, work.taken, work.crew)
    errors = list(scores.failed.values())
    _bear(work, stage, errors, len(pool.alive))
    pool = curate.chosen(stage, pool, scores, config, context, settings, work.folder, work.crew)
    left = {stage.name: errors, f"{stage.name} (planted, or judged twice)": list(scores.open)}
    return replace(state, pool=pool, open={**state.open, **{name: some for name, some in left.items() if some}})


def _bear(work: Work, stage: Stage, errors: Sequence[str], rows: int) -> None:
    """Raises Unfinished where more calls of a stage failed than the settings bear."""
    if len(errors) > work.settings.failures * rows:
        raise Unfinished(
            f"{stage.name}: {len(errors):,} of {rows:,} rows are open, since their calls failed, and no more than "
            f"{work.settings.failures:.0%} may; the first: {errors[0]}",
            "What was answered is stored. The same command asks for the open rows alone; --failures 1 bears any share.",
        )


def _expect_rows(work: Work, stage: Stage, makings: Sequence[Outcome]) -> None:
    """Raises Unfinished where a maker was answered often, and none of it was a row: more would be paid for nothing."""
    dropped = sum(len(one.dropped) for one in makings)
    if dropped >= ENOUGH_REPLIES and not any(len(one.kept) for one in makings) and work.settings.failures < 1:
        raise Unfinished(
            f"{stage.name} made no row of {dropped:,} replies ({makings[0].summary()})",
            f"{work.folder}/made has what was said. Take another --llm, or leave the stage out; --failures 1 goes on.",
        )


def _cut(work: Work, state: State) -> Result:
    """At most as many rows as are wanted, drawn at random where no selector has the last word."""
    whole, count = state.pool, work.settings.n
    embedded = state.embedded or curate.embedded(
        work.settings, whole, work.folder, work.progress, work.open_llm, work.taken, work.crew
    )
    undrawn = whole.left.permutation(work.settings.seed)[count:] if len(whole.alive) > count else []
    reasons = dict.fromkeys(whole.alive[undrawn].tolist(), "not drawn: enough rows without it")
    inputs = whole.known_by("n", count, work.settings.seed)
    left = rows.stage(work.folder, "n", inputs, lambda: rows.verdicts(whole.alive, reasons))
    return Result(whole.with_alive(left), len(state.parents.alive), embedded, state.open)


def _take_over(settings: Settings, source: Path, folder: Path) -> None:
    """Take over from a finished lift its rows, their embeddings, and the scores that were paid for."""
    making, selecting = halves(settings.plan)
    before = ["read", "answers", *(stage.name for stage in making)]
    dear = [stage.name for stage in selecting if stage.dear]
    # A lift that dropped every row before one was embedded has no embeddings.
    names = [expand.FILE, *(name for name in (curate.FILE, curate.ROWS) if (source / name).is_file())]
    names += [f"stages/{name}.parquet" for name in before] + [f"scores/{name}.parquet" for name in dear]
    for name in names:
        runs.stage(folder / name, partial(shutil.copyfile, source / name))
    for note in rows.notes(source):
        if note["stage"] in (*before, *dear) and note not in rows.notes(folder):
            runs.log(folder, "note", **note)


def _exported(settings: Settings, folder: Path) -> None:
    """The kept rows for trainers and the hub; where nothing is kept there is nothing to export."""
    data = Dataset.load(folder / "kept.parquet")
    if len(data) and all(row.is_answered for row in data):
        about = f"Selected by `leaven lift` from {Path(settings.data).name}; every row's reason is in the run's audit."
        shutil.rmtree(folder / "export", ignore_errors=True)  # of a lift that was stopped just here
        export.export(data, folder / "export", folder.resolve().name, about)
