"""What `ratio: auto` tries, and what counts as enough; and which trackers there are."""

from typing import Annotated, Literal

from pydantic import Field

from leaven.section import Section

NonNegative = Annotated[float, Field(ge=0)]
Tracker = Literal["trackio", "wandb", "tensorboard"]
"""What may be told of losses and scores (`study/trackers.py`)."""


class PilotSection(Section):
    """The pilot that finds the smallest sufficient ratio, where a method's is `auto`."""

    ratios: tuple[NonNegative, ...] = Field((0, 0.25, 0.5, 1, 2, 5), min_length=1)
    """Ratios tried, from the smallest up, until one is known to be enough."""
    most_leak: float = Field(0.02, gt=0, lt=1)
    """The share of plain questions that may be answered in the format."""
    least_learnt: float = Field(0.75, gt=0, lt=1)
    """The share of held-out task rows, asked in new phrasings, that must be."""
    questions: int = Field(40, ge=10)
    """Plain questions, and held-out rows at most, that each tuned model is asked."""
    trainings: int = Field(1, ge=1)
    """Models tuned at each ratio, each with a seed of its own."""
    passes: int = Field(0, ge=0)
    """Passes over the task rows; 0: as many as the tuning itself has. Fewer are faster, and leak less than many."""
