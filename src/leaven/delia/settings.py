"""How instructions are said in other words, and all that a method may read of a recipe's settings."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from leaven.models.settings import SampleSection, TuneSection
from leaven.section import Section
from leaven.task.wording import Position

Mode = Literal["per_instruction", "per_row"]


class DiversifyConfig(Section):
    """How the instructions are said in other words."""

    mode: Mode = "per_instruction"
    """per_instruction: an instruction's rows share its phrasings; per_row: every row is asked about by itself."""
    enough_distinct: int = Field(10, ge=1)
    """Data with this many distinct instructions (or one for every two rows) is kept as it is, unless per_row."""
    count: int = Field(0, ge=0)
    """Phrasings that an engine is asked for at a time; 0: 20 for an instruction, 3 for a row."""
    position: Position = "same"
    """Where the new phrasing stands: same (where the old one stood), start or end."""
    max_words: int = Field(60, ge=1)
    """A phrasing with more words, and twice those of the instruction, is none any more."""
    near: float = Field(0.9, gt=0, le=1)
    """Likeness, from 0 to 1, from which two phrasings count as one."""
    check: bool = False
    """Ask the engine of each phrasing whether it means the same, and drop those that do not."""
    measure: bool = False
    """Whether notes say how varied the instructions were before, and are now."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature of the engine."""
    max_new_tokens: int = Field(2048, ge=1)
    """Longest reply of the engine, in tokens."""


class Settings(Section):
    """The settings that a method may read; `max_new_tokens` is that of a test's answer."""

    tune: TuneSection = TuneSection()
    sample: SampleSection = SampleSection()
    diversify: DiversifyConfig = DiversifyConfig()
    max_new_tokens: int = 512


def changed(config: TuneSection, changes: Mapping[str, Any]) -> TuneSection:
    """The section with some settings changed; a change of `preset` brings all that the preset sets."""
    if "preset" in changes:
        return TuneSection.model_validate(changes)
    return config.model_copy(update=dict(changes))
