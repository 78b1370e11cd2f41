"""Keep the rows that a language model judges best, length counting a little (LIFT, arXiv 2312.11508).

The score is 0.9 × the judge's 100 points + 0.1 × the length score. A row whose marks can't be read has no score: it is
dropped for that reason and counted, and never taken for a bad one.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from pydantic import Field

from leaven.errors import UserError
from leaven.lift.embedding import text
from leaven.lift.selection import Context, Size, outcome
from leaven.lift.selectors import length
from leaven.llm.judge import HEADS, Marks, asked, judged, reliability
from leaven.llm.parse import Parsed
from leaven.llm.protocol import LLM, Sampling
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome

__all__ = ["Config", "asked", "select"]

NEEDS = ("llm", "seed")


class Config(Size):
    """How many rows, and how they are judged."""

    judge_weight: float = Field(0.9, ge=0, le=1)
    """The judge's share of the score; the rest is the length score's."""
    percentile: float = Field(98, gt=0, le=100)
    """The percentile of the lengths from which the length score is 100."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature of the judge (the published code's is 0.5)."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest reply of the judge, in tokens."""
    twice: int = Field(50, ge=0)
    """Rows, drawn at random, that are judged a second time to see whether the judge agrees with itself."""


def select(data: Dataset, config: Config, context: Context) -> Outcome:
    """The rows of the highest score, of equals the earlier. Raises UserError when no mark at all can be read."""
    if context.llm is None:
        raise UserError("quality needs a judge", "Name an engine: --llm openai:MODEL.")
    sampling = Sampling(config.temperature, 1.0, config.max_new_tokens, context.seed)
    parsed = judged(data, context.llm, sampling)
    marks = np.asarray([float(one.value.total) if one.value else np.nan for one in parsed])
    unread = np.flatnonzero(np.isnan(marks)).tolist()
    if len(data) and len(unread) == len(data):
        raise UserError(
            f"{context.llm.name} gave no mark that can be read, the first reply: {_said(parsed[0])}",
            "Look at what it is asked: leaven show prompt quality DATA --row 1.",
        )
    again = _again(data, context.llm, replace(sampling, first=len(data)), _drawn(data, unread, config, context))
    trust = reliability(marks, again, np.asarray([float(len(text(row))) for row in data]))
    if trust.warning:
        context.progress.say(f"Warning: {trust.warning}. Selecting by it is hardly better than by length alone.")
    lengths = length.scores(data, config.percentile)
    scores = config.judge_weight * marks + (1 - config.judge_weight) * lengths
    order = [place for place in np.argsort(-scores, kind="stable").tolist() if not np.isnan(scores[place])]
    reasons = dict.fromkeys(order, "not good enough") | dict.fromkeys(unread, "the judge's marks can't be read")
    columns = {"quality": scores, "judge": marks, "length_score": lengths, "judge_again": again}
    columns |= {head: np.asarray([getattr(p.value, head) if p.value else np.nan for p in parsed]) for head in HEADS}
    notes = [trust.sentence()]
    if unread:
        notes.append(f"{len(unread):,} of {len(data):,} rows have no mark: the judge's replies can't be read")
    said = {place: one.value.reason if one.value else _said(one) for place, one in enumerate(parsed)}
    return outcome(
        data, order[: config.of(len(data))], f"quality({context.llm.name})", reasons,
        {name: column.tolist() for name, column in columns.items()}, said, tuple(notes),
    )  # fmt: skip


def _drawn(data: Dataset, unread: list[int], config: Config, context: Context) -> list[int]:
    gone = set(unread)
    return sorted([place for place in data.permutation(context.seed) if place not in gone][: config.twice])


def _again(data: Dataset, llm: LLM, sampling: Sampling, places: list[int]) -> npt.NDArray[np.float64]:
    """The marks of another draw, NaN elsewhere; at temperature 0 it shows what servers and batches do to a judge."""
    found = np.full(len(data), np.nan)
    second = judged(data.rows(places), llm, replace(sampling, draws=(1,) * len(places)))
    found[places] = [float(one.value.total) if one.value else np.nan for one in second]
    return found


def _said(parsed: Parsed[Marks]) -> str:
    return f"{parsed.error}: {(parsed.reply.text or '')[:200]}"
