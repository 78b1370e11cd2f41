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
from leaven.lift.settings import Plan
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
    plan: Plan,
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
            *(partial(contamination.benchmark, path) for path in plan.against),
            partial(_embeddings, plan),
            *(partial(_selector, plan, stage) for stage in ("dedup", "quality")),
        ]
    )
    if not errors and not source and not (folder / "stages" / "quality.parquet").exists():
        errors = examine([partial(_judge, plan, open_llm, brought)])
    if errors:
        raise together(errors, "the first call")


def engines(plan: Plan, spend: Mapping[str, Any]) -> None:
    """Raises UserError for an engine of the lift that can't be asked: no key, no such model, no price; asks nothing."""
    for spec in dict.fromkeys((plan.llm, plan.judge)):
        opening.check(checked(LLMSection, {"engine": spec, **spend}, "the engine's settings"))


def needs(selector: str) -> tuple[str, ...]:
    """What a selector uses besides the rows; a file that does not say uses nothing."""
    return tuple(getattr(plugs.load("selectors", selector), "NEEDS", ())) if selector else ()


def _embeddings(plan: Plan) -> None:
    """The embedder is there with its packages, or the file of embeddings can be read."""
    if not plan.embeddings:
        embedding.check(plan.embedder)
        return
    table.open_file(plan.embeddings)
    if plan.llm and (plan.reanswer or plan.rounds):
        raise UserError("--embeddings can't be had for rows that are made", "Say --embedder, or leave out --llm.")


def _selector(plan: Plan, stage: str) -> None:
    name = getattr(plan, stage)
    wanted = needs(name)
    if "llm" in wanted and not (plan.judge or plan.llm):
        raise UserError(
            f"the selector {name} needs a judge",
            "Say --judge ENGINE (or --llm), or select otherwise, for example --quality length.",
        )
    if "model" in wanted:
        extras.require("torch", "transformers", "peft")
        if not plan.model:
            raise UserError(
                f"the selector {name} measures with a model", "Name one: --model lab, a folder or a hub id."
            )
        from leaven.models.outline import outline

        outline(plan.model)


def _judge(plan: Plan, open_llm: Open, brought: Outcome | None) -> None:
    """A judge none of whose replies can be read is known before thousands of rows are made for it."""
    if not plan.quality:
        return
    selector = plugs.load("selectors", plan.quality)
    if getattr(selector, "judged", None) is not judge.judged:
        return  # no judge, or one that is asked in a way of its own
    spec, config = plan.judge or plan.llm, selector.Config()
    sampling = Sampling(config.temperature, 1.0, config.max_new_tokens, plan.seed)
    data = (brought or files.read(plan.data, plan.format, columns=plan.columns, strict=plan.strict)).kept
    answered = [place for place, row in enumerate(data) if row.answer is not None][:TRIED]
    with open_llm(spec, "trying the judge") as llm:
        marks = judge.judged(data.rows(answered), llm, sampling)
    if marks and all(parsed.value is None for parsed in marks):
        raise UserError(
            f"{spec} gave no mark that can be read, its first reply: {marks[0].error}: "
            f"{(marks[0].reply.text or '')[:200]}",
            "Look at what it is asked: leaven show prompt quality DATA --row 1. Or name another: --judge ENGINE.",
        )
