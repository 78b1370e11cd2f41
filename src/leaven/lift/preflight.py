"""What can be known to fail in a lift is said before the first paid call: files, plugs, embedder, judge, folder."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice, starmap
from pathlib import Path
from typing import Any

from leaven import extras
from leaven.errors import Unfinished, UserError
from leaven.lift import contamination, embedding
from leaven.lift import vectors as table
from leaven.lift.curate import measured_by
from leaven.lift.expand import Open, engine, open_engine
from leaven.lift.recipe import Stage, halves, same
from leaven.lift.settings import Settings, read
from leaven.llm import judge
from leaven.llm import open as opening
from leaven.llm.protocol import Sampling
from leaven.llm.settings import LLMSection
from leaven.rows import files, jsonl
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example
from leaven.rows.outcomes import Outcome
from leaven.runs.preflight import check_writable, examine, together
from leaven.section import checked

TRIED = 3
"""Rows of the data that a judge is tried on."""


def check(
    settings: Settings,
    folder: Path,
    open_llm: Open,
    *,
    brought: Outcome | None = None,
    source: Path | None = None,
    checks: Sequence[Callable[[], object]] = (),
) -> None:
    """Raises UserError with everything that would stop the lift; a judge that would be paid marks a few rows first.

    With `source`, a finished lift whose marks are taken over, no engine is asked. `checks` are the caller's own.
    """
    errors = examine(
        [
            *checks,
            partial(check_writable, folder),
            partial(_embeddings, settings),
            partial(_refill, settings),
            *(partial(_packages, stage) for stage in settings.plan),
            *(partial(_stage, settings, stage) for stage in settings.plan),
            *([partial(check_taken, settings, source)] if source else []),
        ]
    )
    if not errors and not source:
        # A stage whose scores are there has a judge that could be read.
        untried = [one for one in settings.plan if not (folder / "scores" / f"{one.name}.parquet").exists()]
        errors = examine([partial(_judge, settings, stage, folder, open_llm, brought) for stage in untried])
    if errors:
        open_calls = [error for error in errors if isinstance(error, Unfinished)]
        raise open_calls[0] if len(open_calls) == len(errors) else together(errors, "the first call")


def engines(settings: Settings, spend: Mapping[str, Any]) -> list[Callable[[], object]]:
    """A check for each engine of the lift, and for an embedder that is paid for: key, model, price; asks nothing.

    Each raises UserError for one that can't be asked.
    """
    specs = (settings.llm, settings.judge, *(stage.llm for stage in settings.plan))
    return [*(partial(_engine, spec, spend) for spec in dict.fromkeys(specs)), partial(_paid_embedder, settings, spend)]


def check_taken(settings: Settings, source: Path) -> None:
    """Raises UserError where a finished lift does not hold all that this one takes over from it."""
    if not (source / "stages" / "answers.parquet").is_file():
        raise UserError(
            f"{source} was made by an earlier leaven, which measured it otherwise",
            "Run it anew: replies that are known are free.",
        )
    theirs, (making, selecting) = read(source).plan, halves(settings.plan)
    their_making, _ = halves(theirs)
    if len(their_making) != len(making) or not all(starmap(same, zip(their_making, making, strict=True))):
        raise UserError(
            f"--from takes over what {source} made: its stages up to the last maker can't be others",
            f"There they are {', '.join(stage.name for stage in theirs)}.",
        )
    before = {stage.name: stage for stage in theirs}
    for stage in selecting:
        if not stage.dear:
            continue
        there = before.get(stage.name)
        if there is None or there.plug != stage.plug or not (source / "scores" / f"{stage.name}.parquet").is_file():
            raise UserError(
                f"{source} has no scores/{stage.name}.parquet of {stage.plug}: that was not measured",
                "Run it anew: replies that are known are free.",
            )
        was, now = (measured_by(one, one.settings()) for one in (there, stage))
        if changed := sorted(key for key in now if now[key] != was.get(key)):
            raise UserError(
                f"--from takes over what was measured: {', '.join(f'{stage.name}.{key}' for key in changed)} "
                "can't change it",
                "Run it anew: replies that are known are free.",
            )


def _embeddings(settings: Settings) -> None:
    """The embedder is there with its packages, or the file of embeddings can be read."""
    if (
        settings.spread
        and settings.variety
        and settings.variety.model_dump(exclude={"keep", "n"}, exclude_defaults=True)
    ):
        raise UserError(
            f"variety has settings, but k_center stands in its place: {embedding.WITHOUT}",
            "leaven model get minilm, or say --embedder lsa, by which variety keeps short rows.",
        )
    if not settings.embeddings:
        embedding.check(settings.embedder)
        return
    table.open_file(settings.embeddings)
    if any(stage.makes for stage in settings.plan):
        raise UserError("--embeddings can't be had for rows that are made", "Say --embedder, or leave out --llm.")


def _engine(spec: str, spend: Mapping[str, Any]) -> None:
    opening.check(checked(LLMSection, {"engine": spec, **spend}, "the engine's settings"))


def _paid_embedder(settings: Settings, spend: Mapping[str, Any]) -> None:
    if not settings.embeddings and embedding.paid(settings.embedder):
        _engine(settings.embedder, spend)


def _packages(stage: Stage) -> None:
    """What the maker or selector needs with these settings is installed."""
    model = ("torch", "transformers", "peft") if "model" in stage.needs else ()
    own = (*getattr(stage.module, "PACKAGES", ()), *getattr(stage.settings(), "packages", ()))
    extras.require(*own, *model)


def _stage(settings: Settings, stage: Stage) -> None:
    """The maker or selector is there, its settings are its own, and what it needs is at hand."""
    config = stage.settings()
    engine(stage, settings)
    for path in getattr(config, "against", ()):
        contamination.benchmark(path)
    if "model" in stage.needs:
        if not settings.model:
            raise UserError(
                f"the selector {stage.plug} measures with a model", "Name one: --model lab, a folder or a hub id."
            )
        from leaven.models.outline import outline

        outline(settings.model)


def _refill(settings: Settings) -> None:
    if settings.refill and not any(stage.makes and not stage.replaces for stage in settings.plan):
        raise UserError("--refill has no effect: no stage makes further rows", "Leave it out, or add the stage evolve.")


def _judge(settings: Settings, stage: Stage, folder: Path, open_llm: Open, brought: Outcome | None) -> None:
    """A judge none of whose replies can be read is known before thousands of rows are made for it."""
    if getattr(stage.module, "marks_of", None) is not judge.marks_of:
        return  # no judge, or one that is asked in a way of its own
    spec, config = engine(stage, settings), stage.settings().model_dump()
    sampling = Sampling(config["temperature"], config.get("top_p", 1.0), config["max_new_tokens"], settings.seed)
    rows: Iterable[Example] = jsonl.examples(settings.data, settings.format, settings.columns)
    if brought or settings.strict:
        rows = (brought or files.read(settings.data, settings.format, columns=settings.columns, strict=True)).kept
    answered = Dataset.of(islice((row for row in rows if row.is_answered), TRIED))
    folder.mkdir(parents=True, exist_ok=True)
    with open_engine(open_llm, spec, folder, "trying the judge") as llm:  # it is paid for: the report counts it
        marks = judge.marks_of(answered, llm, sampling)
    judge.check_read(marks, spec)
