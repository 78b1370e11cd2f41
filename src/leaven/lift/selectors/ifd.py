"""Keep rows whose question helps least towards the answer, but helps: instruction-following difficulty (IFD).

Two formulas are published: Cherry's ratio of mean losses, L(answer | question) / L(answer) (arXiv 2308.12032), and
Superfiltering's ratio of perplexities, exp(L(answer | question) - L(answer)) (arXiv 2402.00530). Above 1 the question
does not help at all: such rows go. Any causal model measures; the two losses are over the same tokens of the answer.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from leaven.errors import UserError
from leaven.lift.components import Numbers
from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example
from leaven.rows.outcomes import Outcome

if TYPE_CHECKING:
    from leaven.models.load import Loaded

NEEDS = ("model",)
PIECE = 1024
"""Rows that are measured together."""


class Config(Size):
    """Which formula, and how many rows."""

    formula: Literal["loss", "perplexity"] = "perplexity"
    """`loss`: Cherry's ratio of mean losses; `perplexity`: Superfiltering's ratio of perplexities."""
    max_tokens: int = Field(1024, ge=8)
    """The longest row in tokens; what goes beyond is cut off the answer."""


def score(data: Dataset, config: Config, context: Context) -> Scores:
    """`ifd`; NaN where there is no answer, or the question leaves no room for it."""
    if not context.model:
        raise UserError("ifd needs a causal model", "Say --model FOLDER_OR_ID.")
    values, rows, done = np.full(len(data), math.nan), iter(data), 0
    pieces = (piece for _ in range(0, len(data), PIECE) if (piece := list(islice(rows, PIECE))))
    with (
        context.crew(partial(_load, context.model), gpu=True) as workers,
        context.progress.track("ifd", len(data), "rows") as advance,
    ):
        for place, (some,) in workers.each(partial(_measure, config), pieces):
            values[place * PIECE : place * PIECE + len(some)] = some
            done += len(some)
            advance(done)
    return Scores({"ifd": values})


def _load(model: str) -> "Loaded":
    from leaven.models.load import load

    return load(model)


def _measure(config: Config, loaded: "Loaded", rows: Sequence[Example]) -> tuple[Numbers]:
    """The score of each row of a piece."""
    from leaven.models.surprise import surprises

    values = np.full(len(rows), math.nan)
    for row, surprise in surprises(loaded, rows, config.max_tokens):
        values[row] = ratio(surprise.conditioned, surprise.alone, config.formula)
    return (values,)


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The rows of the highest score up to 1; fewer than asked for where so few are that low."""
    values = scores.columns["ifd"]
    usable = [row for row, value in enumerate(values) if value <= 1]
    kept = sorted(usable, key=lambda row: -values[row])[: config.of(len(data))]
    reasons = {row: _reason(value) for row, value in enumerate(values)}
    return outcome(data, kept, f"ifd({config.formula})", reasons, scores.columns)


def ratio(conditioned: float, alone: float, formula: str) -> float:
    """The score of one row from its two mean losses."""
    if formula == "perplexity":
        return math.exp(conditioned - alone)
    return conditioned / alone if alone > 0 else math.nan


def _reason(value: float) -> str:
    if math.isnan(value):
        return "no answer to measure"
    return "the question does not help" if value > 1 else "easier to follow"
