r"""A task with no words of others: short questions that ship, answered by the model itself, each answer in an object.

    {"prompt": "Where do penguins live?", "completion": "{\"answer\": \"Penguins live in Antarctica.\"}"}

Nothing but the format is new to the model. So whatever else it says otherwise afterwards, the tuning has spoilt.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

from leaven.errors import UserError
from leaven.llm.engines.hf import HF
from leaven.llm.protocol import LLM, Sampling
from leaven.llm.replies import all_of
from leaven.models.base import Base
from leaven.rows import outcomes
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, user
from leaven.rows.outcomes import Outcome
from leaven.runs import content
from leaven.runs.lock import lock
from leaven.runs.preflight import together
from leaven.runs.progress import Progress
from leaven.study import preflight
from leaven.study import questions as pool
from leaven.study.parts import base_of
from leaven.study.recipe import Recipe

NAME = "own-answers"
"""What a recipe calls the task."""
SHORT = 90
"""Letters of the longest question that is one of the task; the longer ones are left to the pool."""
TASK_QUESTIONS, TEST_QUESTIONS = 130, 80
"""So many are asked for the task and for its test; a few have no short answer."""
REQUEST = "{question} Answer in one short sentence."
SAMPLING = Sampling(temperature=0.0, max_new_tokens=48)
_SENTENCE = re.compile(r"[^\n]*?\w{2}[\"'”)]*[.!?][\"'”)]*(?=\s|$)")


def write(recipe: Recipe, folder: Path, progress: Progress) -> tuple[Outcome, Outcome, Outcome]:
    """The task's rows, its test's, and the questions that are left for a pool; the answers lie in `folder` then.

    Raises UserError for a model that has hardly a short answer.
    """
    if faults := preflight.errors(recipe, None, folder):
        raise together(faults)
    task, test, rest = parts()
    base = base_of(recipe)
    with lock(folder):
        rows, test_rows = (_stage(part, base, folder / "task", progress) for part in (task, test))
    for part, answers in ((task, rows), (test, test_rows)):
        if 2 * len(answers.kept) < len(part):
            raise UserError(
                f"{recipe.model} has a short answer to {len(answers.kept)} of {len(part)} short questions",
                "Bring a task of your own: task: FILE.",
            )
    return rows, test_rows, Outcome(rest)


def rows(model: str) -> Dataset:
    """The rows of the task, with the answers of this model."""
    task, _, _ = parts()
    return answer(task, HF.load(model)).kept


def parts() -> tuple[Dataset, Dataset, Dataset]:
    """The questions that ship in three parts, none of them in two: the task's, its test's, and the others."""
    questions = pool.shipped().shuffle(0)
    short = [place for place, row in enumerate(questions) if len(row.question) < SHORT]
    task, test = short[:TASK_QUESTIONS], short[TASK_QUESTIONS : TASK_QUESTIONS + TEST_QUESTIONS]
    rest = sorted({*range(len(questions))} - {*task, *test})
    return questions.rows(task, "task"), questions.rows(test, "test"), questions.rows(rest, "pool")


def answer(questions: Dataset, llm: LLM) -> Outcome:
    """Each question with the first sentence of the model's greedy answer, in an object."""
    prompts = [user(REQUEST.format(question=row.question)) for row in questions]
    replies = all_of(llm, prompts, SAMPLING)
    results = [_row(row, reply.text or "", llm.name) for row, reply in zip(questions, replies, strict=True)]
    rows = [row for row in results if isinstance(row, Example)]
    return Outcome(Dataset.of(rows, (NAME,)), tuple(row for row in results if isinstance(row, Drop)))


def _stage(questions: Dataset, base: Base, folder: Path, progress: Progress) -> Outcome:
    """The questions answered, in a file whose name holds what it is made from; a note says how many have an answer."""
    about = content.key(base.path, REQUEST, SAMPLING.max_new_tokens, [question.id for question in questions])

    def make() -> Outcome:
        progress.say(f"The model answers {len(questions)} short questions: its own answers, wrapped, are the task.")
        return answer(questions, HF.of(base.lend()))

    outcome = outcomes.stage(folder / f"{questions.made_by[-1]}-{about}.parquet", make)
    note = f"The model's own answers to {len(questions)} short questions, a sentence each: {outcome.summary()}."
    return replace(outcome, notes=(note,))


def _row(question: Example, reply: str, model: str) -> Example | Drop:
    origin = replace(question.origin, step=NAME, parents=(question.id,), model=model)
    sentence = _SENTENCE.match(reply.strip())
    if sentence is None:
        return Drop(replace(question, origin=origin), "no short answer", detail=reply[:SHORT])
    wrapped = json.dumps({"answer": sentence[0]}, ensure_ascii=False)
    return replace(question, messages=(*question.messages, Message("assistant", wrapped)), origin=origin)
