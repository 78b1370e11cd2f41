"""What a selector may use, what it measures of rows (`Scores`), and how it says which of them it keeps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from leaven import plugs
from leaven.errors import UserError
from leaven.lift import lengths
from leaven.lift.pieces import Archives, in_scratch
from leaven.rows import outcomes, texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Drops, Outcome
from leaven.rows.texts import Part
from leaven.runs.progress import Progress, stderr
from leaven.section import Section

if TYPE_CHECKING:
    from leaven.lift.vectors import Vectors
    from leaven.llm.protocol import LLM


Column = Sequence[float] | npt.NDArray[np.float64]
"""A value for each row."""


class Size(Section):
    """How many rows a selector keeps: the settings that most of them share."""

    n: int = Field(0, ge=0)
    """Rows to keep; 0: as many as `keep` says."""
    keep: float = Field(0.2, gt=0, le=1)
    """The share of the rows to keep, one at least."""

    def of(self, rows: int) -> int:
        """How many of so many rows: where there are any, no share of them is none. Raises UserError for too few."""
        if self.n > rows:
            raise UserError(f"--n is {self.n:,}, but only {rows:,} rows are there", f"Ask for at most {rows:,}.")
        return self.n or max(round(self.keep * rows), min(rows, 1))


def no_vectors(data: Dataset) -> "Vectors":
    """The embeddings where nobody brought any."""
    raise UserError("this selector needs embeddings", "Say --embedder lsa, or bring them: --embeddings FILE.npy.")


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that a selector may use besides the rows and its settings.

    A plug says what it needs of these in `NEEDS`, so that the command offers no other flags: "seed", "vectors", "llm",
    "model". `vectors(data)` are the embeddings of exactly these rows, of their `embed_text`, made when they are asked
    for; `model` is the folder or hub id of a causal model. `crew` finds those who carry out pieces of the rows: this
    process, or a cluster; within a lift, what they computed is there when the stage is begun again after a kill.
    """

    seed: int = 0
    vectors: "Callable[[Dataset], Vectors]" = no_vectors
    llm: "LLM | None" = None
    model: str = ""
    progress: Progress = field(default_factory=stderr)
    crew: Archives = in_scratch
    embed_text: Part = "all"


@dataclass(frozen=True, slots=True)
class Scores:
    """What a selector measured of the rows that it got; paid for once, and chosen by as often as one likes.

    `columns` hold by name a value for each row (NaN: it could not be measured), `said` what was said of a row, by its
    position. `failed` are the rows whose call failed, by position, with the error: that is no verdict on them, and they
    are asked for again. `open` are the errors of calls that failed and were about no row of the data.
    """

    columns: Mapping[str, Column] = field(default_factory=dict)
    said: Mapping[int, str] = field(default_factory=dict)
    failed: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    def array(self, name: str) -> npt.NDArray[np.float64]:
        """A column, (rows,)."""
        return np.asarray(self.columns[name], np.float64)


def score(selector: ModuleType, data: Dataset, config: Section, context: Context) -> Scores:
    """What the selector measures of the rows; nothing where it has no `score`.

    Raises UserError before anything is measured where more rows are to be kept than there are.
    """
    if isinstance(config, Size):
        config.of(len(data))
    scores: Scores = selector.score(data, config, context) if hasattr(selector, "score") else Scores()
    plugs.returned(selector, "score", scores, Scores, "return Scores({NAME: [a number for each row]})")
    for name, column in scores.columns.items():
        if len(column) != len(data):
            raise UserError(
                f"{selector.__file__}: score measured {len(column):,} rows by {name!r}, and was given {len(data):,}",
                "A column has a value for each row, NaN where it could not be measured.",
            )
    return scores


def choose(selector: ModuleType, data: Dataset, scores: Scores, config: Section, context: Context) -> Outcome:
    """What the selector keeps of the rows by their scores; neither an engine nor a model is at hand for that.

    A note says where the answers kept are far longer or shorter than those dropped.
    """
    outcome: Outcome = selector.choose(data, scores, config, replace(context, llm=None, model=""))
    plugs.returned(selector, "choose", outcome, Outcome, "return leaven.lift.selection.outcome(data, kept, …)")
    shift = lengths.warning(texts.lengths(outcome.kept), texts.lengths(Drops.of(outcome.dropped).rows))
    notes = (*scores.notes, *outcome.notes, *((shift,) if shift else ()))
    return replace(outcome, notes=notes, open=scores.open)


def not_compared(rows: int, part: Part) -> tuple[str, ...]:
    """The note on rows that are no copies of each other, since they lack what is compared; none where each has it."""
    what = "text" if part == "all" else part
    have = "1 row has" if rows == 1 else f"{rows:,} rows have"
    return (f"{have} no {what}: not compared with any other, and kept",) if rows else ()


def outcome(
    data: Dataset,
    kept: Sequence[int],
    made_by: str,
    reason: str | Mapping[int, str],
    scores: Mapping[str, Column] | None = None,
    details: Mapping[int, str] | None = None,
    notes: tuple[str, ...] = (),
) -> Outcome:
    """The rows at these positions, in the order of the data; all others with the reason (one for all, or by position).

    `scores` hold a value for every row that came in (NaN: not measured); the first of them is the score of the drops.
    """
    places = np.unique(np.asarray(kept, np.int64))
    if len(places) and not 0 <= places[0] <= places[-1] < len(data):
        raise UserError(
            f"{made_by} keeps the rows {places[0]:,} to {places[-1]:,}, and was given {len(data):,}",
            "`kept` are positions in the data, from 0.",
        )
    gone = np.ones(len(data), bool)
    gone[places] = False
    lost = np.flatnonzero(gone)
    columns = {name: np.asarray(column, np.float64) for name, column in (scores or {}).items()}
    first = next(iter(columns.values()), None)
    verdicts = {
        "reason": [reason] * len(lost) if isinstance(reason, str) else [reason[place] for place in lost.tolist()],
        "score": None if first is None else first[lost],
        "detail": [(details or {}).get(place, "") for place in lost.tolist()],
    }
    drops = Drops(data.rows(lost), pl.DataFrame(verdicts, schema=outcomes.VERDICT, height=len(lost)))
    values = {name: tuple(column.tolist()) for name, column in columns.items()}
    return Outcome(data.rows(places, made_by), drops, notes, tuple(places.tolist()), values)
