"""Keep the rows whose principal coordinates vary most (the variety curation of LIFT, arXiv 2312.11508).

The columns of the embeddings are standardised, principal components keep 95 % of the variance, and a row's score is the
population variance of its coordinates. Kept is what lies strictly above the (1 - keep) quantile.

The published code keeps one component fewer than 95 % need, and its variance subtracts the row's mean coordinate, which
hangs on the arbitrary sign of every component: `paper` does so too, with scikit-learn's signs. `exact` has neither
fault: its score is the mean square, the squared distance to the centre. Either is outlierness: of copies of one unusual
row all are kept, so dedup afterwards, and look at the redundancy that the report shows.
"""

from functools import partial
from typing import Literal

import numpy as np
from pydantic import Field

from leaven.errors import UserError
from leaven.lift.components import Components, Numbers, components
from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.lift.vectors import Vectors
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs.progress import Advance
from leaven.scale.crew import Crew, Here

NEEDS = ("vectors",)


class Config(Size):
    """How the variance of a row is taken, and how many rows stay."""

    compat: Literal["paper", "exact"] = "paper"
    """`paper`: as published; `exact`: one component more, and the mean square, which no sign changes."""
    explained: float = Field(0.95, gt=0, le=1)
    """The share of the variance that the principal components keep."""


def score(data: Dataset, config: Config, context: Context) -> Scores:
    """`variety`, the variance (or mean square) of the row's principal coordinates."""
    vectors = context.vectors(data)
    with (
        context.crew(lambda: vectors) as workers,
        context.progress.track("variety", 2 * len(data), "rows") as advance,
    ):
        basis = components(vectors, advance, workers)
        values = variances(vectors, basis, config, advance, workers)
    count = _count(basis, config)
    note = f"variety ({config.compat}): {count:,} of {vectors.width:,} components"
    return Scores({"variety": values}, notes=(note,))


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The rows of the largest variance; of those that tie with the row at the border, the first come."""
    values, wanted = scores.array("variety"), config.of(len(data))
    notes: tuple[str, ...] = ()
    kept = above(values, config)
    if len(kept) < wanted - 1:
        # As published nothing that ties with the border stays: of 100 rows with 30 copies of an outlier, none at all.
        notes = (f"variety: {wanted - len(kept):,} of {wanted:,} rows tie with others, the first come stay; "
                 "are they copies? leaven curate minhash",)  # fmt: skip
        kept = above(values, config.model_copy(update={"n": wanted}))
    return outcome(data, kept, f"variety({config.compat})", "not varied enough", scores.columns, notes=notes)


def variances(
    vectors: Vectors,
    basis: Components,
    config: Config,
    advance: Advance | None = None,
    workers: Crew[Vectors] | None = None,
) -> Numbers:
    """The variance (or mean square) of every row's principal coordinates, (rows,), in one pass."""
    values, spans, done = np.empty(vectors.rows), vectors.spans(), 0
    for place, (some,) in (workers or Here(lambda: vectors)).each(partial(_variances, basis, config), spans):
        start, end = spans[place]
        values[start:end] = some
        done += len(some)
        if advance is not None:
            advance(vectors.rows + done)
    return values


def _variances(basis: Components, config: Config, vectors: Vectors, span: tuple[int, int]) -> tuple[Numbers]:
    """Those of a piece of the rows.

    A row's squared coordinates add up to its squared length, so where most components count, the few that don't are
    computed and taken away. The mean coordinate is one product with the mean of the components.
    """
    count = _count(basis, config)
    few = 2 * count <= vectors.width
    projection = basis.projection(0, count) if few else basis.projection(count, vectors.width)
    centre = basis.projection(0, count).mean(1) if config.compat == "paper" else np.zeros(vectors.width, np.float32)
    mean, scale = basis.mean.astype(np.float32), basis.scale.astype(np.float32)
    parts = []
    for block in vectors.part(*span).blocks():
        np.subtract(block, mean, out=block)
        coordinates = block @ projection  # (rows, components)
        squares = np.einsum("ij,ij->i", coordinates, coordinates)
        means = block @ centre
        if not few:
            np.divide(block, scale, out=block)
            squares = np.einsum("ij,ij->i", block, block) - squares
        parts.append((squares / count - np.square(means)).astype(np.float64))
    return (np.concatenate(parts),)


def above(values: Numbers, config: Config) -> list[int]:
    """The positions of the rows that stay: strictly above the quantile, or with `n` the `n` largest (first come).

    Nothing is strictly above all, but who keeps the whole share keeps the least varied row too.
    """
    if not config.n and config.keep == 1:
        return list(range(len(values)))
    if config.n:
        return [int(row) for row in np.argsort(-values, kind="stable")[: config.of(len(values))]]
    return [int(row) for row in np.flatnonzero(values > np.quantile(values, 1 - config.keep))]


def _count(basis: Components, config: Config) -> int:
    """How many components: as published, the zero-based index of the one that reaches the share."""
    enough = basis.enough(config.explained)
    if config.compat == "exact":
        return enough
    if enough < 3:
        raise UserError(
            f"{enough} components hold {config.explained:.0%} of the variance: as published, rows can't be told apart",
            "Say --compat exact, or embed with another model.",
        )
    return enough - 1
