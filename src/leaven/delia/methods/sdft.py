"""Self-distillation: the task rows with their answers rewritten by the model itself (SDFT, 2402.13669)."""

from typing import Any, Literal

from pydantic import Field

from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """How the answers are rewritten, and how they are tuned on."""

    form: Literal["guided", "again"] = "guided"
    """guided: the reference inside the question, as a guide; again: as an earlier answer to the same question."""
    tune: dict[str, Any] = Field(default_factory=dict)
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Rewrite what the model can rewrite in the reference's format, keep the other answers, tune."""
    return bench.tune(bench.rewritten(train, config.form).shuffle(bench.seed), **config.tune)
