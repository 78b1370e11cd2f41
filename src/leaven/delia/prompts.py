"""Methods that train nothing: prompts of the task's kind are asked otherwise, all other prompts as they are."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from leaven.delia.fitted import Fitted
from leaven.delia.makers.openings import opening
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, Prompt


def rewrite(fitted: Fitted, change: Callable[[Prompt], Prompt], train: Dataset, token: str) -> Fitted:
    """The same model, which is asked `change(prompt)` where a prompt is of the task's kind."""

    def respond(prompts: Sequence[Prompt]) -> list[str]:
        kinds = of_task(prompts, train, token)
        return fitted.respond([change(p) if task else p for p, task in zip(prompts, kinds, strict=True)])

    return replace(fitted, respond=respond)


def of_task(prompts: Sequence[Prompt], train: Dataset, token: str) -> list[bool]:
    """Whether each names the token, or where the task rows don't, whether it begins as they do."""
    rows = [Example(prompt, Origin("prompt")) for prompt in prompts]
    if any(token in row.question for row in train):
        return [token in row.question for row in rows]
    openings = {opening(row) for row in train} - {None}
    return [opening(row) in openings for row in rows]
