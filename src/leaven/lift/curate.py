"""A selector at work within a lift: its scores in a file, the embeddings of the rows that are left, its verdicts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from leaven.errors import UserError
from leaven.lift import embedding, selection
from leaven.lift import scores as scoring
from leaven.lift import stages as rows
from leaven.lift import vectors as table
from leaven.lift.expand import Open, Pool, engine, open_engine
from leaven.lift.pieces import until_whole
from leaven.lift.recipe import Stage
from leaven.lift.selection import Context, Scores
from leaven.lift.settings import Settings
from leaven.lift.vectors import Vectors
from leaven.rows.shards import Places
from leaven.runs import content
from leaven.runs import folder as runs
from leaven.runs.progress import Progress
from leaven.scale.crew import Hire
from leaven.section import Section

FILE, ROWS = "embeddings.npy", "embedded.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Embeddings, and the numbers of the rows whose they are, ascending."""

    numbers: Places
    vectors: Vectors

    def of(self, pool: Pool) -> Vectors:
        """Those of the rows that are left, which are among them."""
        if np.array_equal(pool.alive, self.numbers):
            return self.vectors
        return self.vectors.take(self.places(pool.alive))

    def places(self, numbers: Places) -> Places:
        """Where the embeddings of these rows stand, which all have one."""
        return np.searchsorted(self.numbers, numbers)


def embedded(
    settings: Settings, pool: Pool, folder: Path, progress: Progress, open_llm: Open, taken: bool, crew: Hire
) -> Embedded:
    """The embeddings of the rows that are left, in the file of the run; where none is left there is nothing to embed.

    Where they were `taken` over from another lift, that file may hold more rows, and is good as it is.
    """
    if not len(pool.alive):
        return Embedded(pool.alive, table.of(np.zeros((0, 1), np.float32)))
    path, inputs = folder / FILE, pool.known_by(content.named(_embedder(settings)))
    frame = pl.DataFrame([pl.Series("row", pool.alive), pool.ids[pool.alive].alias("id")])
    if taken and (held := _held(folder)) is not None and not frame.join(held, on=["row", "id"], how="anti").height:
        return Embedded(held["row"].to_numpy(), table.open_file(str(path)))
    if not rows.current(path, folder, inputs):
        runs.write(path, lambda file: vectors(settings, pool, folder, progress, open_llm, crew).save(file))
        runs.write(folder / ROWS, frame.write_parquet)
        rows.settle(path, folder, inputs)
    return Embedded(pool.alive, table.open_file(str(path)))


def vectors(settings: Settings, pool: Pool, folder: Path, progress: Progress, open_llm: Open, crew: Hire) -> Vectors:
    """The embeddings of the rows that are left, made or brought.

    An embedder that is paid for goes through the door of the engines: by the same prices, within the same limits.
    """
    if not settings.embeddings and embedding.paid(settings.embedder):
        with open_engine(open_llm, settings.embedder, folder, "embedding") as llm:
            return embedding.source(settings.embedder, "", settings.embed_text, progress, llm.spend)(pool.left)
    if not settings.embeddings:
        return embedding.source(settings.embedder, "", settings.embed_text, progress, crew=crew)(pool.left)
    brought = table.open_file(settings.embeddings)
    if brought.rows != pool.usable:
        raise UserError(
            f"{settings.embeddings} holds {brought.rows:,} rows, but the data {pool.usable:,}",
            "Embed exactly the rows that are read: one vector each, in their order.",
        )
    return brought.take(pool.alive)


def _held(folder: Path) -> pl.DataFrame | None:
    path = folder / ROWS
    return pl.read_parquet(path) if path.is_file() and (folder / FILE).is_file() else None


def scored(
    stage: Stage, pool: Pool, config: Section, context: Context, settings: Settings, folder: Path, open_llm: Open,
    taken: bool, hire: Hire,
) -> Scores:  # fmt: skip
    """What the selector measures of the rows that are left: from its file, where it is made of the same or `taken`."""
    path = folder / "scores" / f"{stage.name}.parquet"
    inputs = pool.known_by(_about(stage, settings, measured_by(stage, config)))
    if not (taken and stage.dear) and not rows.current(path, folder, inputs):
        with until_whole(folder, stage.name, inputs, hire) as crew:
            context = replace(context, crew=crew)
            if "llm" in stage.needs:
                with open_engine(open_llm, engine(stage, settings), folder, stage.name) as judge:
                    scores = selection.score(stage.module, pool.left, config, replace(context, llm=judge))
            else:
                scores = selection.score(stage.module, pool.left, config, context)
            rows.note(folder, stage.name, scores.notes, context.progress)
            scoring.write(path, pool.alive, scores)
            if not scores.failed and not scores.open:
                rows.settle(path, folder, inputs)
        return replace(scoring.read(path, pool.alive), open=scores.open)
    return scoring.read(path, pool.alive)


def chosen(
    stage: Stage, pool: Pool, scores: Scores, config: Section, context: Context, settings: Settings, folder: Path,
    hire: Hire,
) -> Pool:  # fmt: skip
    """The rows that the selector keeps by their scores."""
    values = {name: hashlib.sha256(np.ascontiguousarray(one).data).hexdigest() for name, one in scores.columns.items()}
    inputs = pool.known_by(_about(stage, settings, config.model_dump(mode="json")), values)
    with until_whole(folder, stage.name, inputs, hire) as crew:

        def make() -> pl.DataFrame:
            outcome = selection.choose(stage.module, pool.left, scores, config, replace(context, crew=crew))
            rows.note(folder, stage.name, outcome.notes, context.progress)
            return rows.of_outcome(stage.name, pool.alive, outcome, scores.said)

        return pool.with_alive(rows.stage(folder, stage.name, inputs, make))


def _about(stage: Stage, settings: Settings, config: Mapping[str, object]) -> object:
    """All besides rows that the file of a selector is made from; what lies in files, a model too, by its content."""
    embedder = _embedder(settings) if "vectors" in stage.needs else ()
    model = (settings.model,) if "model" in stage.needs else ()
    return content.named([stage.name, stage.plug, engine(stage, settings), config, settings.seed, *embedder, *model])


def _embedder(settings: Settings) -> tuple[str, ...]:
    """What embeddings depend on besides rows."""
    return settings.embedder, settings.embed_text, settings.embeddings


def measured_by(stage: Stage, config: Section) -> dict[str, object]:
    """The settings that the scores of a selector depend on: those that it names, else all but how many are kept."""
    free = selection.Size.model_fields
    names = getattr(stage.module, "SCORED_BY", [name for name in type(config).model_fields if name not in free])
    return {name: value for name, value in config.model_dump(mode="json").items() if name in names}
