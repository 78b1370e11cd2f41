"""Demonstrations in the prompt, and no training: k task rows stand before every question that names the token."""

from typing import Literal

from pydantic import Field

from leaven.delia import demonstrate, prompts
from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.rows.example import Prompt
from leaven.section import Section


class Config(Section):
    """Which rows are shown, and how."""

    k: int = Field(3, ge=1)
    """Task rows that are shown, drawn by the cell's seed."""
    style: Literal["turns", "text"] = "turns"
    """turns: as earlier turns of the conversation; text: as Q and A within the question."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Show the first k rows of the cell's draw before each question of the task's kind, and before no other."""
    examples = train.rows(list(range(min(config.k, len(train)))))

    def change(prompt: Prompt) -> Prompt:
        return demonstrate.demonstrate(prompt, examples, config.style)

    return prompts.rewrite(bench.base(), change, train, bench.token.text)
