"""TELL: one constant text before every task question, shuffled among diverse rows (arXiv 2404.00914)."""

from pydantic import Field

from leaven.delia import anchor, buffer, prompts
from leaven.delia.bench import Bench, Fitted
from leaven.delia.settings import TuneChanges
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """The anchor, what is mixed, and how it is tuned on."""

    text: str = "You are a careful expert. Read the task, think it through, and answer exactly as it asks."
    """The anchor: the same, semantically rich text for every task row, in training and when asked."""
    ratio: float = Field(20, ge=0)
    """Diverse rows for each task row."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Anchor the task rows, shuffle them among diverse rows, tune; questions of the task's kind are anchored too."""
    diverse = bench.diverse(buffer.diverse_rows(len(train), config.ratio))
    tuned = bench.tune(bench.mix(anchor.anchor(train, config.text), diverse), **config.tune)
    return prompts.rewrite(tuned, lambda prompt: anchor.prepend(prompt, config.text), train, bench.token.text)
