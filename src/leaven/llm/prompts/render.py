"""The texts that leaven says to a model: templates beside this file."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from leaven.errors import UserError, nearest

FOLDER = Path(__file__).parent
SUFFIX = ".md.jinja"


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
def _environment() -> ImmutableSandboxedEnvironment:
    # No autoescape: the texts go to a model, not to a browser.
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
