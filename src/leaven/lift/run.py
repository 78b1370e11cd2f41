"""LIFT: expand, guard, embed, keep the varied, remove near copies, keep the good; and the reason for every row.

Each stage leaves a file in the run's folder and is not carried out again. Who reads `run` has read the method.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from leaven import plugs
from leaven.errors import UserError
from leaven.lift import audit, contamination, embedding, expand, preflight, selection
from leaven.lift import scores as scoring
from leaven.lift import stages as rows
from leaven.lift import vectors as table
from leaven.lift.expand import Open
from leaven.lift.selection import Context
from leaven.lift.selectors import variety
from leaven.lift.settings import Selector, Settings, claim
from leaven.lift.vectors import Vectors
from leaven.rows import export
from leaven.rows.dataset import Dataset
from leaven.rows.leaks import LeaksSection
from leaven.rows.outcomes import Outcome
from leaven.runs import folder as runs
from leaven.runs.lock import lock
from leaven.runs.progress import Progress

PAID = ("rows.parquet", "embeddings.npy", "stages/read.parquet", "stages/expand.parquet", "stages/guard.parquet")
DEAR = {"llm", "model"}
"""Needs of a selector that make its scores worth keeping."""


def run(
    settings: Settings,
    folder: Path,
    progress: Progress,
    open_llm: Open,
    source: Path | None = None,
    continue_anyway: bool = False,
    brought: Outcome | None = None,
    checks: Sequence[Callable[[], object]] = (),
) -> Path:
    """Carry out or continue the lift in `folder`, and return it; engines are opened only when something is asked.

    With `source`, a finished lift, all that was paid for there is taken over; `brought` are rows of Python in place of
    the file of the settings. Raises UserError that names what went into the lift and has changed since, unless it is to
    `continue_anyway`; and one that says all that would stop it, by `checks` of the caller's too, before the first call.
    """
    if source and not runs.closed(source):
        raise UserError(f"{source} holds no finished lift", "Run it to its end first.")
    if not runs.closed(folder):
        preflight.check(settings, folder, open_llm, brought=brought, source=source, checks=checks)
    with lock(folder):
        if not (runs.closed(folder) and continue_anyway):
            claim(folder, settings, source, continue_anyway)
        if runs.closed(folder):
            progress.say(f"{folder}: finished at {runs.finished(folder)}, nothing to do.")
            return folder
        if source:
            _reuse(settings, source, folder)
        pool = expand.expanded(settings, folder, progress, open_llm, brought)
        alive = rows.kept(folder / "stages" / "expand.parquet")
        alive = _guarded(settings, pool, alive, folder)
        vectors = _embedded(settings, pool, alive, folder, progress)
        context = Context(settings.seed, model=settings.model, progress=progress)
        embedded = alive
        if settings.variety and settings.variety.keep < 1:
            alive = _varied(settings.variety, pool, alive, vectors, context, folder)
        for name in ("dedup", "quality"):
            here = replace(context, vectors=partial(_taken, vectors, _places(embedded, alive)))
            alive = _selected(settings, name, pool, alive, here, folder, open_llm)
        audit.write(settings, pool, embedded, vectors, folder)
        _exported(settings, folder)
        runs.close(folder)
    return folder


def _guarded(settings: Settings, pool: Dataset, alive: list[int], folder: Path) -> list[int]:
    """The rows that give no benchmark away."""
    if not settings.against:
        return alive

    def make() -> pl.DataFrame:
        benchmarks = {path: contamination.benchmark(path) for path in settings.against}
        matches = contamination.by_words(pool.rows(alive), benchmarks, LeaksSection())
        found = {alive[match.row]: match for match in reversed(matches)}
        reasons = {row: f"gives a benchmark away ({match.kind})" for row, match in found.items()}
        details = {row: f"{match.benchmark}: {match.source}" for row, match in found.items()}
        return rows.verdicts(alive, reasons, details)

    return rows.stage(folder, "guard", make)


def _embedded(settings: Settings, pool: Dataset, alive: list[int], folder: Path, progress: Progress) -> Vectors:
    """The embeddings of the rows that are left, in the file of the run."""
    path = folder / "embeddings.npy"

    def make(file: Path) -> None:
        if settings.embeddings:
            read = rows.kept(folder / "stages" / "read.parquet")
            if not set(alive) <= set(read):
                raise UserError(
                    "--embeddings can't be had for rows that are made", "Say --embedder, or leave out --llm."
                )
            found = embedding.brought(pool.rows(read), settings.embeddings).take(_places(read, alive))
        else:
            found = embedding.source(settings.embedder, "", settings.embed_text, progress)(pool.rows(alive))
        with file.open("wb") as stream:  # a path would get a suffix of numpy's own
            np.save(stream, found.array())

    runs.stage(path, make)
    return table.open_file(str(path))


def _varied(
    config: variety.Config, pool: Dataset, alive: list[int], vectors: Vectors, context: Context, folder: Path
) -> list[int]:
    whole = replace(context, vectors=lambda _: vectors)

    def make() -> pl.DataFrame:
        data = pool.rows(alive)
        scores = selection.score(variety, data, config, whole)
        outcome = selection.choose(variety, data, scores, config, whole)
        rows.note(folder, "variety", outcome.notes, context.progress)
        return rows.of_outcome("variety", alive, outcome, scores.said)

    return rows.stage(folder, "variety", make)


def _selected(
    settings: Settings, stage: str, pool: Dataset, alive: list[int], context: Context, folder: Path, open_llm: Open
) -> list[int]:
    """What the selector of this stage keeps; quality, the last one, keeps `n` rows at most."""
    selector: Selector = getattr(settings, stage)
    name = selector.name
    if not name or not alive:
        return alive
    module = plugs.load("selectors", name)
    sized = stage == "quality" and "n" in module.Config.model_fields
    config = module.Config(**{**selector.config, **({"n": min(settings.n, len(alive))} if sized else {})})
    data, path = pool.rows(alive), folder / "scores" / f"{stage}.parquet"

    def make() -> pl.DataFrame:
        if not path.exists():
            with ExitStack() as engines:
                judge = None
                if "llm" in preflight.needs(name):
                    judge = engines.enter_context(expand.asked(open_llm, _judge(settings, name), folder, stage))
                found = selection.score(module, data, config, replace(context, llm=judge))
            rows.note(folder, stage, found.notes, context.progress)
            scoring.write(path, alive, found)
        scores = scoring.read(path, alive)
        outcome = selection.choose(module, data, scores, config, context)
        rows.note(folder, stage, outcome.notes, context.progress)
        return rows.of_outcome(name, alive, outcome, scores.said)

    return rows.stage(folder, stage, make)


def _exported(settings: Settings, folder: Path) -> None:
    """The kept rows for trainers and the hub; where nothing is kept there is nothing to export."""
    kept = Dataset.load(folder / "kept.parquet")
    if len(kept) and all(row.answer is not None for row in kept):
        about = f"Selected by `leaven lift` from {Path(settings.data).name}; every row's reason is in the run's audit."
        shutil.rmtree(folder / "export", ignore_errors=True)  # of a lift that was stopped just here
        export.export(kept, folder / "export", folder.resolve().name, about)


def _judge(settings: Settings, name: str) -> str:
    if not (settings.judge or settings.llm):
        raise UserError(
            f"the selector {name} needs a judge",
            "Say --judge ENGINE (or --llm), or select otherwise, for example --quality length.",
        )
    return settings.judge or settings.llm


def _taken(vectors: Vectors, places: list[int], data: Dataset) -> Vectors:
    return vectors.take(places)


def _places(numbers: list[int], wanted: list[int]) -> list[int]:
    """Where the wanted numbers stand in the list."""
    place = {number: index for index, number in enumerate(numbers)}
    return [place[number] for number in wanted]


def _reuse(settings: Settings, source: Path, folder: Path) -> None:
    """Take over from a finished lift all that was paid for: the rows, their embeddings, the scores of its judge."""
    dear = [stage for stage in ("dedup", "quality") if DEAR & set(preflight.needs(getattr(settings, stage).name))]
    scores = [f"scores/{stage}.parquet" for stage in dear]
    if missing := [name for name in scores if not (source / name).is_file()]:
        raise UserError(
            f"{source} has no {missing[0]}: what its selector measured was not kept",
            "An earlier leaven made it. Run it anew: replies that are known are free.",
        )
    for name in (*PAID, *scores):
        if (source / name).is_file():
            runs.stage(folder / name, partial(shutil.copyfile, source / name))
    for note in rows.notes(source):
        if note["stage"] in dear and note not in rows.notes(folder):
            runs.log(folder, "note", **note)
