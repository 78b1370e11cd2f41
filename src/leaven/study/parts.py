"""What the cells of a study share, made once: the base model, the pool of queries, and the engines beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaven.delia.bench import Bench
from leaven.delia.fitted import Answerer
from leaven.delia.ledger import Ledger
from leaven.delia.pool import Pool
from leaven.delia.settings import Settings
from leaven.delia.tuner import Tuner
from leaven.delia.watch import Watch
from leaven.llm.budget import Counted
from leaven.llm.open import open_with_budget
from leaven.models.base import Base
from leaven.rows.example import Prompt
from leaven.runs.progress import Progress
from leaven.study.answer_judge import AnswerJudge
from leaven.study.recipe import Recipe
from leaven.task.format import Format
from leaven.task.task import Task


def base_of(recipe: Recipe) -> Base:
    """The base model of a recipe; nothing is loaded yet."""
    return Base(
        recipe.model,
        dtype=recipe.tune.dtype,
        load_in_8bit=recipe.tune.load_in_8bit,
        trust_remote_code=recipe.trust_remote_code,
    )


@dataclass(frozen=True, slots=True)
class Engines:
    """Those that a recipe names beside its model: a teacher for instructions, a sampler for the buffer, a judge."""

    teacher: Counted | None
    sampler: Counted | None
    judge: AnswerJudge | None

    @classmethod
    def of(cls, recipe: Recipe) -> "Engines":
        """The engines of a recipe, each within the limits of its `llm`; the judge is opened when it is first asked."""

        def named(engine: str) -> Counted | None:
            return open_with_budget(recipe.llm.model_copy(update={"engine": engine}))[0] if engine else None

        return cls(named(recipe.llm.engine), named(recipe.sampler), AnswerJudge.of(recipe))

    def asked(self) -> Iterator[Counted]:
        """Those that were asked, which have something to tell of it."""
        for llm in (self.teacher, self.sampler, self.judge and self.judge.llm):
            if llm and llm.spend.ended:
                yield llm


@dataclass(frozen=True, slots=True)
class Parts:
    """Of these the bench of each cell is put together; the base model is loaded when it is first needed."""

    recipe: Recipe
    base: Base
    pool: Pool
    format: Format
    progress: Progress
    engines: Engines

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        task: Task,
        folder: Path,
        progress: Progress,
        engines: Engines | None = None,
        pool: Path | None = None,
    ) -> "Parts":
        """The parts of the study in `folder`; its self-samples lie there, or in `pool`, which studies may share."""
        base, engines = base_of(recipe), engines or Engines.of(recipe)
        rows = Pool(task.pool, base, recipe.sample, pool or folder / "pool", progress, engines.sampler)
        return cls(recipe, base, rows, task.format, progress, engines)

    def bench(self, seed: int, folder: Path, watch: Watch | None = None, name: str = "") -> Bench:
        """The bench of the cell in `folder`, which progress calls by this name, or by the folder's."""
        recipe = self.recipe
        return Bench(
            model=self.base,
            pool=self.pool,
            tuner=Tuner(self.base, recipe.token, recipe.tune, seed, folder, self._answerer(name or folder.name), watch),
            ledger=Ledger(),
            token=recipe.token,
            format=self.format,
            settings=Settings(
                tune=recipe.tune,
                sample=recipe.sample,
                diversify=recipe.diversify,
                max_new_tokens=recipe.evaluate.max_new_tokens,
            ),
            seed=seed,
            folder=folder,
            teacher=self.engines.teacher,
        )

    def untouched(self, prompts: Sequence[Prompt]) -> list[str]:
        """The untouched model's own answers, without the token in its vocabulary."""
        return self._answerer("in plain words").answers(self.base.lend(), prompts)

    def _answerer(self, name: str) -> Answerer:
        return Answerer(self.recipe.evaluate.max_new_tokens, self.progress, name)
