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
from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.lift.selectors.length import length_scores
from leaven.llm.judge import HEADS, Marks, asked, judged, reliability
from leaven.llm.parse import Parsed
from leaven.llm.protocol import LLM, Sampling
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import FAILED, Outcome

__all__ = ["Config", "asked", "choose", "score"]

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


def score(data: Dataset, config: Config, context: Context) -> Scores:
    """`judge` and its heads, and `judge_again` of the rows that are judged twice.

    Raises UserError when no mark at all can be read.
    """
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
    columns = {"judge": marks.tolist(), "judge_again": again.tolist()}
    columns |= {head: [float(getattr(p.value, head)) if p.value else np.nan for p in parsed] for head in HEADS}
    failed = {place: one.error or "" for place, one in enumerate(parsed) if one.reply.text is None}
    notes = [trust.sentence()]
    if lost := len(unread) - len(failed):
        notes.append(f"{lost:,} of {len(data):,} rows have no mark: the judge's replies can't be read")
    said = {place: one.value.reason if one.value else _said(one) for place, one in enumerate(parsed)}
    return Scores(columns, said, failed, tuple(notes))


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The rows of the highest score, of equals the earlier."""
    lengths = length_scores(data, config.percentile)
    values = config.judge_weight * scores.array("judge") + (1 - config.judge_weight) * lengths
    order = [place for place in np.argsort(-values, kind="stable").tolist() if not np.isnan(values[place])]
    reasons = dict.fromkeys(range(len(data)), "the judge's marks can't be read") | dict.fromkeys(scores.failed, FAILED)
    reasons |= dict.fromkeys(order, "not good enough")
    judge, *others = scores.columns
    columns = {"quality": values.tolist(), judge: scores.columns[judge], "length_score": lengths.tolist()}
    columns |= {name: scores.columns[name] for name in others}
    return outcome(data, order[: config.of(len(data))], "quality", reasons, columns, scores.said)


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
