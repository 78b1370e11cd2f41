"""Arithmetic over the untouched model under two prompts, without and with a condition (arXiv 2311.14479)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from leaven.delia import prompts as kinds
from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.rows.example import Message, Prompt
from leaven.section import Section
from leaven.task.task import Task


class Config(Section):
    """The formula, and the prompt with the condition."""

    formula: Literal["linear", "union"] = "linear"
    """linear: l + w (c − l); union: l + w max(l, c), over log-probabilities of the plain and conditioned prompts."""
    weight: float = Field(1.0, gt=0)
    """The weight w."""
    condition: str = ""
    """What the second prompt says besides; without it, to answer as `token.means`."""
    place: Literal["system", "question"] = "system"
    """Where the condition stands: a system turn of its own, or after the question."""


def check(config: Config, task: Task) -> None:
    """Raises UserError where nothing says what the second prompt asks for."""
    task.token.meaning(config.condition)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """No training, so that every size has the same answers; questions of another kind are asked as they are."""
    from leaven.models import arithmetic

    base = bench.base()
    condition = config.condition or f"Answer as {bench.token.means}."

    def respond(prompts: Sequence[Prompt]) -> list[str]:
        of_task = kinds.of_task(prompts, train, bench.token.text)
        pairs = [
            (prompt, conditioned(prompt, condition, config.place) if task else prompt)
            for prompt, task in zip(prompts, of_task, strict=True)
        ]
        answers = arithmetic.answers(
            base.weights,
            pairs,
            weight=config.weight,
            formula=config.formula,
            max_new_tokens=bench.settings.max_new_tokens,
        )
        return bench.tuner.answerer.in_order(answers, len(prompts))

    return replace(base, respond=respond)


def conditioned(prompt: Prompt, condition: str, place: Literal["system", "question"]) -> Prompt:
    """The prompt with the condition as a system turn, or after its last question."""
    if place == "system":
        return (Message("system", condition), *prompt)
    last = prompt[-1]
    return (*prompt[:-1], Message(last.role, f"{last.content}\n{condition}"))
