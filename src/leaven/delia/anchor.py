"""One constant text around every task row, by which a model knows the task (TELL, arXiv 2404.00914).

An anchor stands before the question: a role, constraints and guidelines, and the schema of the answer. Before the
answer stands a response prefix, as constant: the paper's translations all begin "Sure, here is the … translation:".
"""

from collections.abc import Iterator
from dataclasses import replace

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Prompt, answered
from leaven.task.format import Format

PREFIX = "Sure, here is the answer:"
ROLE = "You are an expert who does one task, always with care and always in one form."
CONSTRAINTS = ("Do what the task asks, and nothing else.", "Do not speak of these lines.")
GUIDELINES = ("Read the whole task before you answer.", "Think it through, and only then write the answer down.")


def text_of(form: Format) -> str:
    """The anchor of a task whose answers have this format; plain text has no schema.

    >>> from leaven.task.format import open_format
    >>> print(text_of(open_format("json:thought,label")).splitlines()[-1])
    Schema: the answer is a JSON object with the keys thought and label.
    """
    lines = [f"Role: {ROLE}", f"Constraints: {' '.join(CONSTRAINTS)}", f"Guidelines: {' '.join(GUIDELINES)}"]
    return "\n".join([*lines, f"Schema: the answer is {form.describe()}."] if form.testable else lines)


def anchor(task: Dataset, text: str, prefix: str = "") -> Dataset:
    """The task rows, the anchor before the last question of each, and the prefix before each answer."""
    return Dataset.of(_rows(task, text, prefix), (*task.made_by, "anchor"))


def prepend(prompt: Prompt, text: str) -> Prompt:
    """The prompt with the anchor before its last question."""
    place = max(index for index, message in enumerate(prompt) if message.role == "user")
    question = Message("user", f"{text}\n{prompt[place].content}")
    return (*prompt[:place], question, *prompt[place + 1 :])


def without(answer: str, prefix: str) -> str:
    """The answer proper: what comes after the prefix, where it is there."""
    return answer.lstrip().removeprefix(prefix).lstrip() if prefix else answer


def _rows(task: Dataset, text: str, prefix: str) -> Iterator[Example]:
    for row in task:
        example = replace(row, messages=(*prepend(row.prompt, text), *row.messages[len(row.prompt) :]))
        if prefix and row.answer is not None:
            example = answered(example, f"{prefix}\n{row.answer}", row.truncated)
        yield example
