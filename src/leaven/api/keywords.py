"""The keywords of a call: those that it names, and the settings behind them."""

import inspect
from collections.abc import Callable, Iterable

from leaven.errors import UserError, nearest


def check(call: Callable[..., object], settings: Iterable[str], fields: Iterable[str]) -> None:
    """Raises UserError for settings that are none of the `fields`, each with the nearest keyword of the call.

    >>> def bake(rows, *, heat=180, **settings): ...
    >>> check(bake, ["haet"], ["salt"])
    Traceback (most recent call last):
    leaven.errors.UserError: bake takes no keyword 'haet'
    Did you mean 'heat'?
    """
    parameters = inspect.signature(call).parameters.values()
    known = {*(one.name for one in parameters if one.kind is one.KEYWORD_ONLY), *fields}
    unknown = [name for name in settings if name not in known]
    if unknown:
        hints = dict.fromkeys(nearest(name, known) for name in unknown)
        raise UserError(f"{call.__name__} takes no keyword {' and no '.join(map(repr, unknown))}", " ".join(hints))
