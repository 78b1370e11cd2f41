"""A pool that nobody has to bring: questions that ship, or the model writes them itself (Magpie, 2406.08464)."""

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from leaven.delia import buffer
from leaven.delia.makers import magpie
from leaven.errors import UserError
from leaven.llm.engines.hf import HF, chunk
from leaven.llm.protocol import Reply, Sampling
from leaven.models.base import Base
from leaven.models.load import text_config
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, Prompt, user
from leaven.rows.outcomes import Outcome
from leaven.runs.lock import lock
from leaven.runs.preflight import together
from leaven.runs.progress import Progress
from leaven.study import preflight, search
from leaven.study.parts import base_of
from leaven.study.recipe import Recipe

FILE = Path(__file__).parent.parent / "task" / "examples" / "questions.txt"
FOR_TESTS = 100
"""Questions that are asked plainly to see what is kept, and as many that ask for the token elsewhere."""


def shipped() -> Dataset:
    """Questions on anything, short and longer ones, without answers: a pool for any task."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    rows = (Example(user(line), Origin("questions", f"{FILE.name}:{place}")) for place, line in enumerate(lines, 1))
    return Dataset.of(rows, (FILE.name,))


def needed(recipe: Recipe, task_rows: int, tested: bool = True) -> int:
    """How many questions a study takes: those of its largest buffer, of two tests where it has any, and of a search."""
    configs = [choice.settings for choice in recipe.at_largest_ratio.methods]
    rows = max(recipe.sizes_of(task_rows))
    sampled = [
        float(getattr(config, "ratio", 0)) * rows * _choice_of(config)
        + buffer.contrast_rows(rows, getattr(config, "contrast", 0))
        for config in configs
    ]
    for_tests = tested * 2 * min(FOR_TESTS, recipe.evaluate.limit_test or FOR_TESTS)
    for_trials = max(search.QUESTIONS * bool(recipe.tune.trials), recipe.pilot.questions * recipe.needs_pilot)
    # A trial asks no more than a quarter of the pool.
    return max(math.ceil(search.SPARE * max(sampled)) + for_tests + for_trials, 4 * for_trials)


def write(recipe: Recipe, task_rows: int, folder: Path, progress: Progress, tested: bool = True) -> Outcome:
    """The questions, without answers: each method samples those for itself. Chunks that lie in `folder` stay.

    Where nothing is `tested`, none are written for tests.
    Raises UserError for a model that writes hardly any question that can be used.
    """
    if faults := preflight.errors(recipe, None, folder):
        raise together(faults)
    n = needed(recipe, task_rows, tested)
    place = folder / "pool" / "questions"
    with lock(folder), progress.track("writing questions", n, "questions") as advance:
        outcome = magpie.make(
            _WhenAsked(base_of(recipe)),
            recipe.sample,
            0,
            place,
            n=n,
            chunk=chunk(text_config(recipe.model, recipe.trust_remote_code), recipe.sample.max_new_tokens),
            on_rows=advance,
            answered=False,
        )
    draws = len(outcome.kept) + len(outcome.dropped)
    if 2 * len(outcome.kept) < n:
        raise UserError(
            f"{recipe.model} wrote {len(outcome.kept):,} questions that can be used, of {draws:,}; {n:,} are needed",
            "Bring questions on anything: --queries FILE.",
        )
    note = f"The pool: {len(outcome.kept):,} questions that the model wrote itself, of {draws:,} that it drew."
    return Outcome(outcome.kept, (), (note, *outcome.notes))


def _choice_of(config: Any) -> float:
    """How many queries a method's buffer is chosen from, for each row that it holds."""
    choice = getattr(config, "choose", None)
    return float(choice.of) if choice else 1.0


class _WhenAsked:
    """The engine of a base model, which is loaded for the first question that does not lie in the folder yet."""

    takes_schema = False

    def __init__(self, base: Base) -> None:
        self.base, self.name = base, f"hf:{base.path}"

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """The replies of the untouched model."""
        return self._engine.replies(prompts, sampling)

    @cached_property
    def _engine(self) -> HF:
        return HF.of(self.base.lend(), self.name)
