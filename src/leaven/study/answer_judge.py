"""The judge of a study: one engine and one account for all cells, opened at the first answer that it marks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from leaven.llm.budget import Counted
from leaven.llm.judge import fault, marks_of
from leaven.llm.open import open_with_budget
from leaven.llm.protocol import Sampling
from leaven.rows.example import Example, Message, Origin, Prompt
from leaven.study.recipe import Recipe


@dataclass(slots=True)
class AnswerJudge:
    """Marks answers by the engine that `evaluate.judge` names; its limits are for the whole of the study.

    `faults` says why marks are missing, one for each; who has told them clears it.
    """

    recipe: Recipe
    llm: Counted | None = None
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, recipe: Recipe) -> "AnswerJudge | None":
        """The judge of a recipe, which may have none; nothing is opened yet."""
        return cls(recipe) if recipe.evaluate.judge else None

    def __call__(self, pairs: Sequence[tuple[Prompt, str]]) -> list[float]:
        """The mark of each (prompt, answer), as a fraction; NaN where none came that can be read."""
        asks = self.recipe.evaluate
        if self.llm is None:
            self.llm, _ = open_with_budget(self.recipe.llm.model_copy(update={"engine": asks.judge}))
        sampling = Sampling(asks.judge_temperature, max_new_tokens=asks.judge_max_new_tokens)
        rows = [Example((*prompt, Message("assistant", answer)), Origin("judge")) for prompt, answer in pairs]
        marks = marks_of(rows, self.llm, sampling)
        self.faults += [fault(mark) for mark in marks if mark.value is None]
        return [mark.value.total / 100 if mark.value is not None else math.nan for mark in marks]

    def note(self) -> str:
        """What is to be said of the marks that are missing since it was last said; "" where none are."""
        if not self.faults:
            return ""
        note = f"{len(self.faults):,} answers have no mark by {self.recipe.evaluate.judge}, the first: {self.faults[0]}"
        self.faults.clear()
        return note
