"""Dictionary hints in the prompt, with demonstrations that have theirs, and no training (DiPMT, 2302.07856)."""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from leaven.delia import demonstrate, dictionary, prompts
from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.rows.example import Message, Prompt
from leaven.section import Section
from leaven.task.task import Task


class Config(Section):
    """The dictionary, and what is shown."""

    dictionary: str
    """A TSV file of words and their meanings; `lab` is the lab's own."""
    k: int = Field(0, ge=0)
    """Demonstrations: task rows with their own hints, drawn by the cell's seed."""
    style: Literal["turns", "text"] = "turns"
    """turns: as earlier turns of the conversation; text: as Q and A within the question."""


def check(config: Config, task: Task) -> None:
    """Raises UserError where the dictionary can't be read."""
    dictionary.read(config.dictionary)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """After each sentence to translate stand the meanings of those of its words that the dictionary has."""
    words = dictionary.read(config.dictionary)

    def hint(prompt: Prompt) -> Prompt:
        last = prompt[-1]
        return (*prompt[:-1], Message(last.role, dictionary.hint(last.content, words)))

    first = list(train)[: config.k]
    examples = Dataset.of(replace(row, messages=(*hint(row.prompt), *row.messages[len(row.prompt) :])) for row in first)

    def change(prompt: Prompt) -> Prompt:
        return demonstrate.demonstrate(hint(prompt), examples, config.style)

    return prompts.rewrite(bench.base(), change, train, bench.token.text)
