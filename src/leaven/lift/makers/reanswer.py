"""Answer the original questions anew (the first stage of LIFT, arXiv 2312.11508); their old answers leave."""

from dataclasses import replace

from pydantic import Field

from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.llm.replies import all_of, fault
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Origin, answered
from leaven.rows.outcomes import Outcome
from leaven.section import Section

REPLACES = "answered anew"
"""A row leaves, for this reason, as soon as its new answer is there."""


class Config(Section):
    """How the answers are drawn."""

    temperature: float = Field(0.5, ge=0)
    """Sampling temperature (the published code's); 0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus of the sampling."""
    max_new_tokens: int = Field(2048, ge=1)
    """Longest answer, in tokens; one that was cut is dropped."""


def make(data: Dataset, llm: LLM, config: Config, seed: int) -> Outcome:
    """Every question with an answer of the engine, or a drop with the reason: as many as rows came in."""
    questions = [row for row in data if not _unfit(row)]
    sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens, seed)
    replies = iter(all_of(llm, [row.prompt for row in questions], sampling))
    results = [_answered(row, next(replies) if not _unfit(row) else None, llm, seed) for row in data]
    kept = [row for row in results if isinstance(row, Example)]
    dropped = tuple(row for row in results if isinstance(row, Drop))
    return Outcome(Dataset.of(kept, (*data.made_by, f"reanswer({llm.name}, seed={seed})")), dropped)


def _unfit(row: Example) -> str:
    """Why no text can be its answer; "" where one can."""
    if row.answer is not None and row.messages[-1].calls:
        return "its answer is a tool call"
    return "" if row.question.strip() else "no question"


def _answered(row: Example, reply: Reply | None, llm: LLM, seed: int) -> Example | Drop:
    origin = Origin("reanswer", row.origin.place, (row.id,), llm.name, "plain", seed)
    bare = replace(row, messages=row.prompt, origin=origin, meta={**row.meta, "round": 0})
    if reply is None:
        return Drop(bare, _unfit(row))
    if reason := fault(reply):
        return Drop(bare, reason, detail=reply.error or (reply.text or "")[:200])
    return answered(bare, (reply.text or "").strip())
