"""A lift as a list of stages: each a maker or a selector by its name, with its own settings.

In a recipe a stage is its name, or its name with settings; `as` gives it another label, `llm` an engine of its own:

    stages:
      - exact
      - evolve: {rounds: 1, temperature: 0.3}
      - minhash: {threshold: 0.8, as: dedup}
      - quality: {twice: 100, llm: openai:gpt-4o}
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import count
from types import ModuleType
from typing import Any

from pydantic import ConfigDict, Field, model_serializer, model_validator

from leaven import plugs
from leaven.errors import nearest
from leaven.section import Section, checked

MAKERS = ("reanswer", "evolve")
PAID = {"llm", "model"}
"""Needs of a selector that make its scores dear: they are never measured twice."""
RESERVED = ("as", "llm")
OWN = ("read", "answers", "n")
"""What a lift does itself, besides its stages."""
_LABEL = re.compile(r"\w[\w-]*")


def _name_or_mapping(schema: dict[str, Any]) -> None:
    about = schema.get("description", "")
    schema.clear()
    settings = {"type": "object", "maxProperties": 1, "additionalProperties": {"type": ["object", "null"]}}
    schema |= {"description": about, "anyOf": [{"type": "string"}, settings]}


class Stage(Section):
    """A stage: the name of a maker or selector (or a .py file), or a name with settings: `evolve: {rounds: 1}`."""

    model_config = ConfigDict(json_schema_extra=_name_or_mapping)

    plug: str
    """Its name (leaven ls makers, leaven ls selectors) or a .py file."""
    label: str = ""
    """What it is called in files and in the audit; '': its name."""
    llm: str = ""
    """The engine that it asks, where it is not the lift's."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Its own settings."""

    @model_validator(mode="before")
    @classmethod
    def _read_short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"plug": value}
        if isinstance(value, Mapping) and len(value) == 1 and "plug" not in value:
            ((plug, own),) = value.items()
            if not isinstance(own, (Mapping, type(None))):
                raise ValueError(f"{plug}: its settings are no mapping, write {plug}: {{KEY: VALUE}}")
            own = own or {}
            settings = {key: one for key, one in own.items() if key not in RESERVED}
            return {"plug": plug, "label": own.get("as", ""), "llm": own.get("llm", ""), "config": settings}
        return value

    @model_serializer
    def _short(self) -> str | dict[str, Any]:
        names = {key: one for key, one in (("as", self.label), ("llm", self.llm)) if one}
        own = {**self.config, **names}
        return {self.plug: own} if own else self.plug

    @property
    def name(self) -> str:
        """Its label, else the name of its plug."""
        return self.label or plugs.title(self.plug)

    @cached_property
    def module(self) -> ModuleType:
        """The maker or selector. Raises UserError where there is none of this name."""
        if self.plug in MAKERS:
            return plugs.load("makers", self.plug)
        if self.plug.endswith(".py"):
            return plugs.load(plugs.kind_of(self.plug, ("selectors", "makers")), self.plug)
        return plugs.load("selectors", self.plug, also=MAKERS)

    @property
    def makes(self) -> bool:
        """Whether it makes rows; a selector keeps some."""
        return hasattr(self.module, "make")

    @property
    def replaces(self) -> str:
        """Why a row leaves as soon as what was made of it is there; '': it stays."""
        return str(getattr(self.module, "REPLACES", ""))

    @property
    def needs(self) -> tuple[str, ...]:
        """What it takes besides rows and its settings; a maker takes an engine."""
        return ("llm",) if self.makes else tuple(getattr(self.module, "NEEDS", ()))

    @property
    def dear(self) -> bool:
        """Whether what it measures is paid for, in money or in hours."""
        return not self.makes and bool(PAID & set(self.needs))

    def settings(self, **values: Any) -> Section:
        """Its settings; those of `values` that it has where the recipe does not say them. Raises UserError."""
        own = {key: one for key, one in values.items() if key in self.module.Config.model_fields}
        config: Section = checked(self.module.Config, {**own, **self.config}, self.name)
        return config


def halves(plan: Sequence[Stage]) -> tuple[Sequence[Stage], Sequence[Stage]]:
    """The stages up to the last maker, and those behind it, which only select."""
    makers = max((place for place, stage in enumerate(plan, 1) if stage.makes), default=0)
    return plan[:makers], plan[makers:]


def same(first: Stage, second: Stage) -> bool:
    """Whether two stages do the same, however their settings are written."""
    sides = [(one.name, one.plug, one.llm, one.settings()) for one in (first, second)]
    return sides[0] == sides[1]


def labelled(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """The stages, each with a label of its own: the second `exact` is `exact-2`.

    Raises ValueError with every label that can't be: one that is there twice, that a lift itself uses, or no file's
    name.
    """
    names: list[str] = []
    labels, faults = [], []
    for place, stage in enumerate(stages, 1):
        if stage.name in OWN:
            faults.append(f"stage {place} can't be called {stage.name!r}, as a part of every lift is; name it by as")
        elif stage.label and not _LABEL.fullmatch(stage.label):
            faults.append(f"stage {place} can't be called {stage.label!r}; a label is letters, digits, _ and -")
        elif stage.label in names:
            faults.append(f"two stages are called {stage.label}")
        free = next(f"{stage.name}-{number}" for number in count(2) if f"{stage.name}-{number}" not in names)
        one = stage.model_copy(update={"label": free}) if stage.name in names else stage
        names.append(one.name)
        labels.append(one)
    if faults:
        raise ValueError(f"stages: {'; '.join(faults)}")
    return tuple(labels)


def named(stages: Iterable[Stage], label: str) -> Stage:
    """The stage of this label. Raises ValueError, with the nearest, where there is none."""
    there = {stage.name: stage for stage in stages}
    if label not in there:
        raise ValueError(f"there is no stage {label!r}. {nearest(label, there)}")
    return there[label]
