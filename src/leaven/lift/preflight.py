"""What can be known to fail in a lift is said before the first paid call: files, plugs, embedder, judge, folder."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from leaven import extras, plugs
from leaven.errors import UserError
from leaven.lift import contamination, embedding
from leaven.lift import vectors as table
from leaven.lift.expand import Open
from leaven.lift.settings import Selector, Settings
from leaven.llm import judge
from leaven.llm import open as opening
from leaven.llm.protocol import Sampling
from leaven.llm.settings import LLMSection
from leaven.rows import files
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
            *(partial(contamination.benchmark, path) for path in settings.against),
            partial(_embeddings, settings),
            *(partial(_selector, settings, stage) for stage in ("dedup", "quality")),
        ]
    )
    if not errors and not source and not (folder / "stages" / "quality.parquet").exists():
        errors = examine([partial(_judge, settings, open_llm, brought)])
    if errors:
        raise together(errors, "the first call")


def engines(settings: Settings, spend: Mapping[str, Any]) -> None:
    """Raises UserError for an engine of the lift that can't be asked: no key, no such model, no price; asks nothing."""
    for spec in dict.fromkeys((settings.llm, settings.judge)):
        opening.check(checked(LLMSection, {"engine": spec, **spend}, "the engine's settings"))


def needs(selector: str) -> tuple[str, ...]:
    """What a selector uses besides the rows; a file that does not say uses nothing."""
    return tuple(getattr(plugs.load("selectors", selector), "NEEDS", ())) if selector else ()


def _embeddings(settings: Settings) -> None:
    """The embedder is there with its packages, or the file of embeddings can be read."""
    if not settings.embeddings:
        embedding.check(settings.embedder)
        return
    table.open_file(settings.embeddings)
    if settings.llm and (settings.reanswer or settings.evolve):
        raise UserError("--embeddings can't be had for rows that are made", "Say --embedder, or leave out --llm.")


def _selector(settings: Settings, stage: str) -> None:
    selector: Selector = getattr(settings, stage)
    if not (name := selector.name):
        return
    checked(plugs.load("selectors", name).Config, selector.config, stage)
    wanted = needs(name)
    if "llm" in wanted and not (settings.judge or settings.llm):
        raise UserError(
            f"the selector {name} needs a judge",
            "Say --judge ENGINE (or --llm), or select otherwise, for example --quality length.",
        )
    if "model" in wanted:
        extras.require("torch", "transformers", "peft")
        if not settings.model:
            raise UserError(
                f"the selector {name} measures with a model", "Name one: --model lab, a folder or a hub id."
            )
        from leaven.models.outline import outline

        outline(settings.model)


def _judge(settings: Settings, open_llm: Open, brought: Outcome | None) -> None:
    """A judge none of whose replies can be read is known before thousands of rows are made for it."""
    if not settings.quality.name:
        return
    selector = plugs.load("selectors", settings.quality.name)
    if getattr(selector, "judged", None) is not judge.judged:
        return  # no judge, or one that is asked in a way of its own
    spec, config = settings.judge or settings.llm, selector.Config(**settings.quality.config)
    sampling = Sampling(config.temperature, 1.0, config.max_new_tokens, settings.seed)
    data = (
        brought or files.read(settings.data, settings.format, columns=settings.columns, strict=settings.strict)
    ).kept
    answered = [place for place, row in enumerate(data) if row.answer is not None][:TRIED]
    with open_llm(spec, "trying the judge") as llm:
        marks = judge.judged(data.rows(answered), llm, sampling)
    if marks and all(parsed.value is None for parsed in marks):
        raise UserError(
            f"{spec} gave no mark that can be read, its first reply: {marks[0].error}: "
            f"{(marks[0].reply.text or '')[:200]}",
            "Look at what it is asked: leaven show prompt quality DATA --row 1. Or name another: --judge ENGINE.",
        )
