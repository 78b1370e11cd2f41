"""Keep rows at random: the control that every other selector has to beat."""

from leaven.lift.selection import Context, Scores, Size, outcome
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome

NEEDS = ("seed",)


class Config(Size):
    """How many rows."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """As many rows as asked for, drawn with the seed; draws are nested."""
    places = data.permutation(context.seed)[: config.of(len(data))]
    return outcome(data, places, f"random(seed={context.seed})", "not drawn")
