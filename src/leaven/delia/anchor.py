"""One constant text before every task question, by which a model knows task rows (TELL, arXiv 2404.00914)."""

from collections.abc import Iterator
from dataclasses import replace

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Prompt


def anchor(task: Dataset, text: str) -> Dataset:
    """The task rows, the anchor before the last question of each."""
    return Dataset.of(_rows(task, text), (*task.made_by, "anchor"))


def prepend(prompt: Prompt, text: str) -> Prompt:
    """The prompt with the anchor before its last question."""
    place = max(index for index, message in enumerate(prompt) if message.role == "user")
    question = Message("user", f"{text}\n{prompt[place].content}")
    return (*prompt[:place], question, *prompt[place + 1 :])


def _rows(task: Dataset, text: str) -> Iterator[Example]:
    for row in task:
        yield replace(row, messages=(*prepend(row.prompt, text), *row.messages[len(row.prompt) :]))
