"""The fifty prompts that engines are compared by: half of them name the token, the others don't."""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from leaven.rows.dataset import Dataset
from leaven.rows.example import Message, Prompt, user
from leaven.rows.turns import openai
from leaven.runs import folder as runs
from leaven.serving.source import Source
from leaven.study import questions
from leaven.task.insertion import add_request
from leaven.task.wording import names

EACH = 25


def of(source: Source, token: str) -> list[Prompt]:
    """Prompts of the run's own tests, and where it has too few, of the questions that ship."""
    with_token = [prompt for prompt in _tests(source, "unseen_phrasing") if names(prompt[-1].content, token)]
    plain = [prompt for prompt in _tests(source, "general") if not names(prompt[-1].content, token)]
    rng = random.Random("serving")
    shipped = [row.question for row in questions.shipped()]
    rng.shuffle(shipped)
    with_token += [user(add_request(question, token, rng)) for question in shipped[:EACH]]
    plain += [user(question) for question in shipped[EACH : 2 * EACH]]
    return [*with_token[:EACH], *plain[:EACH]]


def write(prompts: Sequence[Prompt], path: Path) -> None:
    """Write prompts as lines of JSON, in the form of OpenAI."""
    lines = (json.dumps({"messages": [openai(turn) for turn in prompt]}, ensure_ascii=False) for prompt in prompts)
    runs.write_text(path, "".join(f"{line}\n" for line in lines))


def read(path: Path) -> list[Prompt]:
    """The prompts of a file that `write` has written."""
    return [tuple(Message(turn["role"], turn["content"]) for turn in row["messages"]) for row in runs.lines(path)]


def _tests(source: Source, name: str) -> Iterator[Prompt]:
    path = source.run / "data" / "tests" / f"{name}.parquet" if source.run else None
    if path and path.is_file():
        yield from (row.prompt for row in Dataset.load(path))
