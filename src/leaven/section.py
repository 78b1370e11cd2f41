"""A part of the settings: unknown keys are refused, values can't be changed, a line on each setting."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, values can't be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
