"""Arithmetic over the untouched model under two prompts, without and with a condition (arXiv 2311.14479)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from leaven.delia import prompts as kinds
from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.rows.example import Message, Prompt
from leaven.section import Section
from leaven.task.task import Task
from leaven.task.test import headline, score
from leaven.task.tests import dev_tests

WEIGHTS = {"linear": (0.5, 1.5, 2.0), "union": (0.5, 1.0, 1.5, 2.0), "subtract": (0.3, 0.6, 0.9)}
"""What `weight: auto` tries. Linear at 1 is the conditioned prompt alone, which `prompted` is."""
DEV_ROWS = 8
"""Task rows that each weight is tried on, in the phrasebook's phrasings for choosing settings."""


class Config(Section):
    """The formula, and the prompt with the condition."""

    formula: Literal["linear", "union", "subtract"] = "linear"
    """Over log-probabilities l of the plain prompt and c of the one with a condition: linear is l + w (c − l), union
    l + w max(l, c), and subtract c − w max(l, c), with w below 1."""
    weight: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """The weight w; auto: of a few the one that answers the task rows best, in phrasings that serve nothing else.
    Linear at 1 is no arithmetic but the condition said in the prompt: the method `prompted`."""
    condition: str = ""
    """What the second prompt says besides; without it, to answer as `token.means`."""
    place: Literal["system", "question"] = "system"
    """Where the condition stands: in the system turn, after what a row's own says, or after the question."""

    @model_validator(mode="after")
    def _leave_something(self) -> Self:
        if self.formula == "subtract" and self.weight != "auto" and self.weight >= 1:
            raise ValueError(f"weight: {self.weight:g} subtracts all there is; subtract takes a weight below 1")
        return self


def check(config: Config, task: Task) -> None:
    """Raises UserError where nothing says what the second prompt asks for."""
    task.token.meaning(config.condition)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """No training: only the weight may depend on the task rows. Questions of another kind are asked as they are."""
    from leaven.models import arithmetic

    base = bench.base()
    condition = config.condition or f"Answer as {bench.token.means}."

    def respond(prompts: Sequence[Prompt], weight: float) -> list[str]:
        of_task = kinds.of_task(prompts, train, bench.token.text)
        pairs = [
            (prompt, conditioned(prompt, condition, config.place) if task else prompt)
            for prompt, task in zip(prompts, of_task, strict=True)
        ]
        answers = arithmetic.answers(
            base.weights, pairs, weight=weight, formula=config.formula, max_new_tokens=bench.settings.max_new_tokens
        )
        return bench.tuner.answerer.in_order(answers, len(prompts))

    weight = config.weight
    if weight == "auto":
        weight = best_weight(train, bench, WEIGHTS[config.formula], respond)
    if config.formula == "linear" and weight == 1:
        bench.ledger.notes.append("Linear at weight 1 is the conditioned prompt alone: prompted, and no arithmetic.")
    return replace(base, respond=lambda prompts: respond(prompts, weight))


def best_weight(
    train: Dataset, bench: Bench, weights: Sequence[float], respond: Callable[[Sequence[Prompt], float], list[str]]
) -> float:
    """The weight that answers most of a few task rows rightly, asked as no test asks; of equals the first."""
    dev = dev_tests(train, Dataset.of([]), bench.token, bench.format)[0].limited(DEV_ROWS)
    shares = {}
    for weight in weights:
        answers = respond([row.prompt for row in dev.rows], weight)
        measures = score(dev, answers, bench.format)
        shares[weight] = fmean(measure.value for measure in measures if measure.metric in headline(dev)[:1])
    best = max(weights, key=lambda weight: shares[weight])
    listing = ", ".join(f"{weight:g}: {share:.0%}" for weight, share in shares.items())
    bench.ledger.notes.append(f"Weight {best:g}, chosen by {len(dev.rows)} questions on task rows ({listing}).")
    return best


def conditioned(prompt: Prompt, condition: str, place: Literal["system", "question"]) -> Prompt:
    """The prompt with the condition in its system turn, or after its last question."""
    if place == "system" and prompt[0].role == "system":
        return (Message("system", f"{prompt[0].content}\n\n{condition}"), *prompt[1:])
    if place == "system":
        return (Message("system", condition), *prompt)
    last = prompt[-1]
    return (*prompt[:-1], Message(last.role, f"{last.content}\n{condition}"))
