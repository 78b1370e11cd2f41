"""A few fixed prompts answered at a few points of each training: what a model says as it learns, for whoever looks on.

Answers are greedy, nothing is drawn, and every weight stays: the tuned model is the same to the bit as without.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leaven.rows.example import Example
from leaven.runs import folder as runs
from leaven.task.test import Test

if TYPE_CHECKING:
    from leaven.models.load import Loaded

FILE = "watch.jsonl"
"""In a cell's folder, a line for each point; a training that was killed may write one again, and the last holds."""
EACH = 3
"""Prompts that ask for the format in phrasings that no training has, and as many plain ones."""
LONGEST = 32
"""Tokens of an answer, at most."""
FORMATTED, PLAIN = ("unseen_phrasing", "translation", "task"), ("general",)
"""Tests whose first rows are asked: of each of these the first that there is."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Asks the `questions`, each with the name of its test, at so many `points` between the first step and the last.

    They are rows of tests, so that what the untouched model and the tuned one say lies in the answers of the cells.
    """

    questions: tuple[tuple[str, Example], ...]
    points: int
    file: Path

    @classmethod
    def of(cls, tests: Iterable[Test], points: int, folder: Path) -> "Watch | None":
        """The watch of a cell; None where no point is wanted, or no test has such rows."""
        rows = {test.name: test.rows for test in tests}
        names = [next((name for name in names if name in rows), "") for names in (FORMATTED, PLAIN)]
        questions = tuple((name, row) for name in filter(None, names) for row in list(rows[name])[:EACH])
        return cls(questions, points, folder / FILE) if points and questions else None

    def look(self, loaded: "Loaded", step: int, steps: int, stage: int = 1) -> None:
        """Ask the model as it is, where the step is one of the points, and write down what it says."""
        from leaven.models.generate import generate

        if step == steps or step not in {round(steps * k / (self.points + 1)) for k in range(1, self.points + 1)}:
            return
        prompts = [row.prompt for _, row in self.questions]
        texts = dict(generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=LONGEST))
        answers = [
            {"test": test, "item": row.id, "prompt": row.question, "answer": texts[place].text}
            for place, (test, row) in enumerate(self.questions)
        ]
        runs.append(self.file, {"stage": stage, "step": step, "steps": steps, "answers": answers})
