"""Keep the rows that a language model judges best, length counting a little (LIFT, arXiv 2312.11508).

The score is 0.9 × the judge's 100 points + 0.1 × the length score. A row whose marks can't be read has no score: it is
dropped for that reason and counted, and never taken for a bad one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from leaven.errors import UserError
from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.lift.selectors.length import length_scores
from leaven.llm.judge import HEADS, Marks, check_read, fault, marks_of, prompt_of, totals, trials
from leaven.llm.parse import Parsed
from leaven.llm.protocol import Sampling
from leaven.llm.trust import KINDS, Trust, Values, trust
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import FAILED, Outcome

__all__ = ["Config", "choose", "prompt_of", "score"]

NEEDS = ("llm", "seed")
EXAMPLE = "--llm openai:gpt-4o"
SCORED_BY = ("temperature", "top_p", "max_new_tokens", "twice", "planted")
"""Settings without which the scores would be others; the rest is for choosing by them."""


class Config(Size):
    """How many rows, and how they are judged."""

    judge_weight: float = Field(0.9, ge=0, le=1)
    """The judge's share of the score; the rest is the length score's."""
    percentile: float = Field(98, gt=0, le=100)
    """The percentile of the lengths from which the length score is 100."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature of the judge (the published code's is 0.5)."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus of the judge's sampling."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest reply of the judge, in tokens."""
    twice: int = Field(50, ge=0)
    """Rows, drawn at random, that are judged a second time to see whether the judge agrees with itself."""
    planted: int = Field(20, ge=0)
    """Rows, drawn at random, of which three copies are planted to see what the judge notices: with the answer of
    another, with half of it, with a request for full marks. 0: none."""


def score(data: Dataset, config: Config, context: Context) -> Scores:
    """`judge` and its heads; of a few rows `judge_again`, and what copies of them got that were planted.

    Raises UserError when no mark at all can be read, Unfinished when every call failed.
    """
    if context.llm is None:
        raise UserError("quality needs a judge", "Name an engine: --llm openai:MODEL.")
    sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens, context.seed)
    parsed = marks_of(data, context.llm, sampling)
    marks = totals(parsed)
    check_read(parsed, context.llm.name)
    order = data.permutation(context.seed)
    twice, planted = sorted(order[: config.twice]), sorted(order[: config.planted])
    tried, lost_calls = trials(list(data), twice, planted, context.llm, sampling)
    columns = {"judge": marks} | {f"judge_{name}": column for name, column in tried.items()}
    trust = trust_of(data, columns)
    columns |= {head: _points(parsed, head) for head in HEADS}
    failed = {place: one.error or "" for place, one in enumerate(parsed) if one.reply.text is None}
    notes = [trust.verdict, trust.sentence()]
    if lost_calls:
        notes.append(f"{len(lost_calls):,} calls about planted rows, or rows judged twice, failed")
    if lost := int(np.isnan(marks).sum()) - len(failed):
        notes.append(f"{lost:,} of {len(data):,} rows have no mark: the judge's replies can't be read")
    said = {place: one.value.reason if one.value else fault(one) for place, one in enumerate(parsed)}
    return Scores(
        {name: column.tolist() for name, column in columns.items()}, said, failed, tuple(notes), tuple(lost_calls)
    )


def calls(rows: int, config: Config) -> int:
    """How often the judge is asked about so many rows."""
    return rows + min(config.twice, rows) + len(KINDS) * min(config.planted, rows)


def trust_of(data: Dataset, columns: Mapping[str, Values]) -> Trust:
    """How far the marks in the columns of `score` can be trusted."""
    lengths = texts.lengths(data, "all")
    planted = {kind: columns[f"judge_{kind}"] for kind in KINDS}
    return trust(columns["judge"], columns["judge_again"], lengths, planted)


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


def _points(parsed: Sequence[Parsed[Marks]], head: str) -> Values:
    return np.asarray([float(getattr(one.value, head)) if one.value else np.nan for one in parsed])
