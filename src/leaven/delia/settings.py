"""How instructions are said in other words, and all that a method may read of a recipe's settings."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, model_serializer, model_validator

from leaven.models.settings import SampleSection, TuneSection
from leaven.section import Section, checked
from leaven.task.wording import Position

Mode = Literal["per_instruction", "per_row"]
AUTO: Final = "auto"
Ratio = Annotated[float, Field(ge=0)] | Literal["auto"]
"""Diverse rows for each task row; in place of `auto` a pilot puts a number before any method runs."""


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
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus of the engine's sampling."""
    max_new_tokens: int = Field(2048, ge=1)
    """Longest reply of the engine, in tokens."""


class Settings(Section):
    """The settings that a method may read; `max_new_tokens` is that of a test's answer."""

    tune: TuneSection = TuneSection()
    sample: SampleSection = SampleSection()
    diversify: DiversifyConfig = DiversifyConfig()
    max_new_tokens: int = 512


class TuneChanges(TuneSection):
    """What a method has otherwise than the recipe's `tune` section: a mapping of the settings that are given.

    >>> dict(**TuneChanges.model_validate({"learning_rate": "2e-3"}))
    {'learning_rate': 0.002}
    """

    def keys(self) -> list[str]:
        """The settings that are given, and those that come with a preset."""
        return [name for name in type(self).model_fields if name in self.model_fields_set]

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __str__(self) -> str:
        return str(dict(**self))

    @model_serializer
    def _given(self) -> dict[str, Any]:
        return dict(**self)


def _or_yes_or_no(schema: dict[str, Any]) -> None:
    section = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "boolean"}, section]


class DiversifyChanges(DiversifyConfig):
    """Whether a method says the instructions in other words (true or false), and what differs from the recipe's how."""

    model_config = ConfigDict(json_schema_extra=_or_yes_or_no)

    on: bool = True
    """Whether to do it."""
    one_phrasing: bool = False
    """Whether all rows that ask in a sentence of the phrasebook ask in one and the same: a control, with on: false."""

    @model_validator(mode="before")
    @classmethod
    def _read_yes_or_no(cls, value: Any) -> Any:
        return {"on": value} if isinstance(value, bool) else value

    def __str__(self) -> str:
        return str(self.on).lower()

    def apply(self, config: DiversifyConfig) -> DiversifyConfig:
        """The section with what is given here."""
        own = {name: getattr(self, name) for name in self.model_fields_set - {"on", "one_phrasing"}}
        return config.model_copy(update=own)


def with_changes(config: TuneSection, changes: Mapping[str, Any] | TuneChanges) -> TuneSection:
    """The section with some settings changed; a change of `preset` brings all that the preset sets.

    Raises RecipeError for a setting that there is not, or that can't have this value.
    """
    own = checked(TuneChanges, dict(**changes), "tune")
    return TuneSection.model_validate(dict(**own)) if "preset" in own.keys() else config.model_copy(update=dict(**own))
