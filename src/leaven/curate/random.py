"""Keep rows at random: the control that every other selector has to beat."""

from leaven.dataset import Dataset
from leaven.selection import Context, Size, outcome
from leaven.types import Outcome

NEEDS = ("seed",)


class Config(Size):
    """How many rows."""


def select(data: Dataset, config: Config, context: Context) -> Outcome:
    """As many rows as asked for, drawn with the seed; draws are nested."""
    chosen = data.permutation(context.seed)[: config.of(len(data))]
    return outcome(data, chosen, f"random(seed={context.seed})", "not drawn")
