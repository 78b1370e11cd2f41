"""The buffer under the microscope: whose gradients cancel, and what mixed training does to them.

The claims are those of DELIA (arXiv 2408.10841), equations 9 to 11.

Three experiments a seed, each a set of scores: their `method` is the source of the answers, or the kind of training.

1. Cancellation at the start, by source: `cancellation_N` (R(n)) over different questions, beside `null_N`, what
   independent directions with the same norms give, and `over_null_N`, the one over the other (1: noise); `excess` over
   several answers to each of the questions that leave the model in most doubt (1: their mean is zero). `pull` is the
   exact mean gradient on the logits: 0 for answers drawn at temperature 1 and top_p 1, and for no others.
2. Training a few steps mixed, on the task alone, on diverse rows alone: how the gradient of a diverse row changes
   (`change`, of the logarithm of its norm), and whether more so the further it is from the task (`change_by_distance`).
3. Directions in mixed training: cosine and ratio of norms of the task's gradient, and of task and diverse together as
   the mixture weighs them (the diverse rows' mean times the ratio), to that of many held-out phrasings and formats, a
   proxy of the ideal gradient. `pool_over_task` is the norm of the diverse rows' mean over that of the task's: times
   the ratio, it bounds how far the buffer can turn the sum (the sine of the angle).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from leaven.delia import buffer
from leaven.delia.bench import Bench, Fitted
from leaven.models.settings import SampleSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Score
from leaven.runs import folder as runs
from leaven.runs.progress import Progress
from leaven.study.parts import Parts
from leaven.study.recipe import Recipe
from leaven.study.run import SCHEMA
from leaven.task.task import Task

if TYPE_CHECKING:
    import torch

ROWS = 200
ANSWERS = 8  # to each doubtful question
COUNTS = (10, 50, 200)
STEPS = (0, 4, 12)
RATIO = 20
HELD_OUT = ("format", "transfer")
# source: (temperature, top_p, form); the last two rows of the table, external answers and the task, are not sampled
SOURCES = {
    "own, temperature 1": (1.0, 1.0, "plain"),
    "own, temperature 0.7": (0.7, 0.95, "plain"),
    "own, greedy": (0.0, 1.0, "plain"),
    "own, shown the reference": (0.7, 0.95, "again"),
}


def run(recipe: Recipe, task: Task, folder: Path, progress: Progress, rows: int = ROWS) -> pl.DataFrame:
    """The scores of all three experiments for every seed of the recipe; a seed that is there is not computed again."""
    parts = Parts.of(recipe, task, folder, progress)
    frames = []
    for seed in recipe.seeds:
        path = folder / f"seed-{seed}" / "scores.parquet"
        if not path.exists():
            progress.say(f"gradients, seed {seed}")
            scores = [Score(*row) for row in _scores(parts.bench(seed, path.parent), task, rows)]
            frame = pl.DataFrame(scores, schema=SCHEMA, orient="row")
            runs.stage(path, frame.write_parquet)
        frames.append(pl.read_parquet(path))
    return pl.concat(frames)


def _scores(bench: Bench, task: Task, rows: int) -> Iterator[tuple[str, int, int, str, str, float]]:
    train = task.rows.take(min(100, len(task.rows)), bench.seed)
    for source, metric, value in (*_cancellation(bench, train, rows), *_training(bench, task, train, rows)):
        yield source, len(train), bench.seed, f"gradients/{metric}", "", value


def _cancellation(bench: Bench, train: Dataset, rows: int) -> Iterator[tuple[str, str, float]]:
    from leaven.models import answer
    from leaven.study import gradients

    base = bench.base().weights
    pool = bench.pool.queries
    queries = pool.take(min(rows, len(pool)), bench.seed)
    by_doubt = sorted(pool.take(min(2 * rows, len(pool)), bench.seed), key=lambda row: -answer.nats(base, row).entropy)
    doubtful = Dataset.of(row for row in by_doubt[: max(2, rows // ANSWERS)] for _ in range(ANSWERS))
    for name, how in SOURCES.items():
        data = _sample(bench, doubtful, *how)
        per_row = gradients.gradients(base, data)
        yield name, "excess", gradients.excess(per_row, [row.question for row in data])
        yield name, "pull", _mean([_pull(base, row, *how) for row in queries])
    yield "external answers", "pull", _mean([gradients.pull_of_answer(base, row) for row in queries])
    sources = {name: _sample(bench, queries, *how) for name, how in SOURCES.items()}
    sources |= {"external answers": queries, "task": train, "task, said in many ways": bench.diversify(train)}
    for name, data in sources.items():
        with bench.pool.progress.track(f"gradients of {name}", len(data), "rows"):
            per_row = gradients.gradients(base, Dataset(data.frame.head(rows)))
        for n in (n for n in COUNTS if n <= len(per_row)):
            ratio, null = gradients.cancellation(per_row, n, bench.seed)
            yield name, f"cancellation_{n}", ratio
            yield name, f"null_{n}", null
            yield name, f"over_null_{n}", ratio / null


def _pull(base: Any, row: Example, temperature: float, top_p: float, form: Any) -> float:
    from leaven.delia.makers.self_sample import ask
    from leaven.study import gradients

    return gradients.pull(base, row, temperature, top_p, None if form == "plain" else ask(row, form))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _sample(bench: Bench, queries: Dataset, temperature: float, top_p: float, form: Any) -> Dataset:
    from leaven.delia.makers import self_sample
    from leaven.llm.engines.hf import HF

    longest = bench.settings.sample.max_new_tokens
    config = SampleSection(temperature=temperature, top_p=top_p, max_new_tokens=longest, keep_truncated=True)
    llm = HF.of(bench.base().weights)
    return bench.ledger.keep(self_sample.make(queries, llm, config, bench.seed, form=form))


def _training(bench: Bench, task: Task, train: Dataset, rows: int) -> Iterator[tuple[str, str, float]]:
    from leaven.study import gradients

    varied, diverse = bench.diversify(train), bench.diverse(RATIO * len(train))
    kinds = {
        "mixed": buffer.mix(varied, diverse, bench.seed),
        "task alone": varied.shuffle(bench.seed),
        "diverse alone": diverse.shuffle(bench.seed),
    }
    watched = Dataset(diverse.frame.head(max(2, rows // 2)))
    ideal = [row for test in task.tests if test.metric in HELD_OUT for row in test.rows]
    held_out = Dataset.of([row for row in ideal if row.answer is not None][: max(2, rows)])
    base = bench.base().weights
    apart = gradients.distances(gradients.embeddings(base, watched), gradients.embeddings(base, varied))
    at_start = gradients.gradients(base, watched).norm(dim=1).log()
    for kind, mixture in kinds.items():
        for steps in STEPS:
            loaded = _tune(bench, mixture, steps).weights
            own = gradients.gradients(loaded, watched)
            change = own.norm(dim=1).log() - at_start
            if steps:
                yield kind, f"change_{steps}", float(change.mean())
                yield kind, f"change_by_distance_{steps}", gradients.slope(apart, change.tolist())
            if kind == "mixed":
                yield from _directions(gradients.gradients(loaded, varied), own, loaded, held_out, steps)


def _directions(
    task: "torch.Tensor", diverse: "torch.Tensor", loaded: Any, held_out: Dataset, steps: int
) -> Iterator[tuple[str, str, float]]:
    """Cosine and ratio of norms to the proxy of the ideal gradient, without and with the buffer in its share."""
    from leaven.study import gradients

    ideal, own, buffered = gradients.gradients(loaded, held_out).mean(0), task.mean(0), diverse.mean(0)
    for name, gradient in {"task": own, "task and diverse": own + RATIO * buffered}.items():
        cosine, ratio = gradients.agreement(gradient, ideal)
        yield name, f"cosine_{steps}", cosine
        yield name, f"norm_ratio_{steps}", ratio
    yield "task and diverse", f"pool_over_task_{steps}", float(buffered.norm() / own.norm())


def _tune(bench: Bench, mixture: Dataset, steps: int) -> Fitted:
    """The model after so many steps; warm-up is one step, so that longer trainings begin as shorter ones do."""
    return bench.tune(mixture, max_steps=steps, warmup_steps=1) if steps else bench.base()
