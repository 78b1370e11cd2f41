"""A part of the settings: unknown keys are refused, values can't be changed, a line on each setting.

What is wrong with settings is said in one way everywhere: the place, what is wrong, and the nearest known key.
"""

import inspect
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from leaven.errors import RecipeError, nearest

S = TypeVar("S", bound=BaseModel)


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, values can't be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def checked(section: type[S], values: Mapping[str, Any], where: str, hint: str = "") -> S:
    """The section with these values. Raises RecipeError, which lists every fault at once, for values that can't be."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise RecipeError(where, faults(error, section), hint) from None


def faults(error: ValidationError, section: type[BaseModel], place: str = "") -> list[str]:
    """Each fault as `place.key: what is wrong`, with the nearest known key for an unknown one."""
    return [_sentence(fault, section, place) for fault in error.errors()]


def _sentence(fault: Any, section: type[BaseModel], place: str) -> str:
    path = ".".join(part for part in (place, *map(str, fault["loc"])) if part)
    if fault["type"] == "extra_forbidden":
        keys = _keys(section, fault["loc"][:-1])
        return f"{path}: unknown key. {nearest(str(fault['loc'][-1]), keys) if keys else ''}".strip()
    value = "" if fault["type"] in ("missing", "value_error") else f" (it is {fault['input']!r})"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{path}: {message}{value}" if path else message


def _keys(section: Any, path: Sequence[str | int]) -> list[str]:
    """The keys that the section at a path knows; none where the path leads to no section."""
    for part in path:
        if not isinstance(part, int):
            field = section.model_fields.get(part)
            section = next(_sections(field.annotation), None) if field else None
        if section is None:
            return []
    return list(section.model_fields)


def parts(section: type[BaseModel], without: Collection[str] = ()) -> dict[str, list[str]]:
    """The sections within a section by their names, each with its keys."""
    kinds = {name: field.annotation for name, field in section.model_fields.items() if name not in without}
    return {
        name: list(kind.model_fields)
        for name, kind in kinds.items()
        if inspect.isclass(kind) and issubclass(kind, BaseModel)
    }


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections in an annotation: `X`, `X | None`, `tuple[X, ...]`."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, tuple, list):
        for part in get_args(annotation):
            yield from _sections(part)
