"""The keywords of a call: those that it names, the settings behind them, and the token that several of them say."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping

from leaven.errors import UserError, nearest

NEW_TOKEN = "<sep>"
"""The new token, where a call names none."""


def check(
    call: Callable[..., object],
    settings: Iterable[str],
    fields: Iterable[str],
    sections: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Raises UserError for settings that are none of the `fields`, each with the nearest keyword of the call.

    What is a key of one of the `sections`, as `--max-new-tokens` is a flag of the command, is said where it belongs.

    >>> def bake(rows, *, heat=180, **settings): ...
    >>> check(bake, ["haet"], ["salt"])
    Traceback (most recent call last):
    leaven.errors.UserError: bake takes no keyword 'haet'
    Did you mean 'heat'?
    >>> check(bake, ["seconds"], ["timer"], {"timer": ["seconds"]})
    Traceback (most recent call last):
    leaven.errors.UserError: bake takes no keyword 'seconds'
    Say timer={'seconds': …}.
    """
    parameters = inspect.signature(call).parameters.values()
    known = {*(one.name for one in parameters if one.kind is one.KEYWORD_ONLY), *fields}
    unknown = [name for name in settings if name not in known]
    if unknown:
        hints = dict.fromkeys(_inside(name, sections or {}) or nearest(name, known) for name in unknown)
        raise UserError(f"{call.__name__} takes no keyword {' and no '.join(map(repr, unknown))}", " ".join(hints))


def token(text: str, reuse: str, means: str, answers: str, init: str) -> dict[str, str]:
    """The section `token` of a recipe: a token of the model that is reused, or a new one.

    Raises UserError where both are named.
    """
    if reuse and text not in (NEW_TOKEN, reuse):
        raise UserError(f"token is {text!r} and reuse {reuse!r}", "The token is one or the other.")
    name = {"reuse": reuse} if reuse else {"text": text}
    return {**name, "means": means, "answers": answers, **({"init": init} if init else {})}


def _inside(name: str, sections: Mapping[str, Collection[str]]) -> str:
    """How a key of a section is said in Python, "" where it is in none."""
    places = [f"{section}={{{name!r}: …}}" for section, keys in sections.items() if name in keys]
    return f"Say {', '.join(places)}." if places else ""
