"""The texts that leaven says to a model: templates beside this file, and the phrasebook."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from leaven.errors import UserError, nearest

FOLDER = Path(__file__).parent
SUFFIX = ".md.jinja"


def phrasings(kind: str, split: str) -> tuple[str, ...]:
    """The sentences of the phrasebook, `kind` follow or negative, `split` train or unseen; each has one `{token}`."""
    book = _phrasebook()
    if kind not in book:
        raise UserError(f"the phrasebook has no {kind!r}", nearest(kind, book))
    if split not in book[kind]:
        raise UserError(f"the phrasebook has no {kind}.{split}", nearest(split, book[kind]))
    return tuple(book[kind][split])


def names() -> list[str]:
    """The templates that ship."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def source(name: str) -> str:
    """The text of a template, as it is on disk."""
    if name not in names():
        raise UserError(f"there is no prompt called {name!r}", nearest(name, names()))
    return (FOLDER / f"{name}{SUFFIX}").read_text(encoding="utf-8")


def render(name: str, **values: Any) -> str:
    """The template filled in. Values come through as they are: template syntax inside them is text.

    Raises UserError when the template uses a value that isn't given.
    """
    try:
        return _environment().from_string(source(name)).render(**values)
    except TemplateError as error:
        raise UserError(f"the prompt {name!r} can't be filled in: {error}", f"Given: {', '.join(values)}.") from error


@cache
def _phrasebook() -> dict[str, dict[str, list[str]]]:
    book: dict[str, dict[str, list[str]]] = yaml.safe_load((FOLDER / "phrasings.yaml").read_text(encoding="utf-8"))
    return book


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    # No autoescape: the texts go to a model, not to a browser.
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
