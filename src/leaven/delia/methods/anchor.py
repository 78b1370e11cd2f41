"""TELL: one constant text before every task question and answer, shuffled among diverse rows (arXiv 2404.00914)."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from leaven.delia import anchor, prompts
from leaven.delia.bench import Bench, Fitted
from leaven.delia.settings import TuneChanges
from leaven.rows.dataset import Dataset
from leaven.rows.example import Prompt
from leaven.section import Section


class Config(Section):
    """The anchor, what is mixed, and how it is tuned on."""

    text: str = ""
    """The anchor: the same, semantically rich text before every task question, in training and when asked; empty: a
    role, constraints and guidelines, and the schema of the answers' format."""
    prefix: str = anchor.PREFIX
    """The response prefix: how every task answer begins in training; what the model says of it is no part of its
    answer. Empty: none."""
    ratio: float = Field(20, ge=0)
    """Diverse rows for each task row."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Anchor the task rows, shuffle them among diverse rows, tune; questions of the task's kind are anchored too."""
    text = config.text or anchor.text_of(bench.format)
    diverse = bench.diverse(bench.at_ratio(config.ratio, len(train)))
    anchored = anchor.anchor(train, text, config.prefix)
    tuned = bench.tune(bench.mix(anchored, diverse, **config.tune), **config.tune)
    fitted = prompts.rewrite(tuned, lambda prompt: anchor.prepend(prompt, text), train, bench.token.text)

    def respond(questions: Sequence[Prompt]) -> list[str]:
        kinds = prompts.of_task(questions, train, bench.token.text)
        answers = fitted.respond(questions)
        return [anchor.without(a, config.prefix) if task else a for a, task in zip(answers, kinds, strict=True)]

    return replace(fitted, respond=respond)
