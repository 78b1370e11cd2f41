"""Flags made from the fields of settings: a field's docstring is the help of its flag, and it is written once."""

import inspect
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import wraps
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel


def of(
    section: type[BaseModel],
    panel: str,
    without: Collection[str] = (),
    called: Mapping[str, str] | None = None,
    spelled: Mapping[str, str] | None = None,
) -> list[inspect.Parameter]:
    """A flag for each field of a section, in a panel of the help; one that is not given is None and changes nothing.

    Where only some fields have a flag, `called` maps them to their parameters; `spelled` has flags with another name.

    >>> from leaven.llm.settings import LLMSection
    >>> of(LLMSection, "Engine", without=("engine",))[0].name
    'base_url'
    """
    names = called or {name: name for name in section.model_fields if name not in without}
    spelled = spelled or {}
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                _taken(field.annotation),
                typer.Option(
                    *([spelled[name]] if name in spelled else []),
                    help=" ".join((field.description or "").split()),
                    show_default=default_text(field.default),
                    rich_help_panel=panel,
                ),
            ],
        )
        for name, field in ((name, section.model_fields[key]) for key, name in names.items())
    ]


def given(section: type[BaseModel], flags: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a section's fields among all that a command was told: those that were said."""
    return said({name: flags[name] for name in section.model_fields if flags.get(name, "") != ""})


def said(flags: Mapping[str, Any]) -> dict[str, Any]:
    """What of these flags was said: `--quality ''` is, and says none."""
    return {name: value for name, value in flags.items() if value not in (None, [], ())}


def added(flags: Iterable[inspect.Parameter]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a command these flags beside its own; it reads them from its context."""
    more = list(flags)
    names = {flag.name for flag in more}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def wrapped(**told: Any) -> None:
            command(**{name: value for name, value in told.items() if name not in names})

        signature = inspect.signature(command)
        own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in signature.parameters.values()]
        wrapped.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        return wrapped

    return decorate


def default_text(default: Any) -> str | bool:
    """How the help shows what a field is when nothing is said; false where that is nothing."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    default = getattr(default, "name", default)  # a step of a lift is said by its selector's name
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return False if default in (None, ()) else shown or False


def _taken(annotation: Any) -> Any:
    """What typer takes for a field: `X | None` for `X`, and a list, the flag said again for each, for a tuple."""
    kinds = list(_kinds(annotation))
    kind = kinds[0] if len(kinds) == 1 else str
    if get_origin(kind) is tuple:
        return repeated(kind) | None
    if get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return str | None  # the section itself says what it can be
    return kind | None


def repeated(kind: Any) -> Any:
    """A list for a tuple, since typer has no tuple of any length: the flag is said again for each; else the kind."""
    if get_origin(kind) is not tuple:
        return kind
    each = get_args(kind)[0]
    return list[each if each in (str, int, float) else str]  # type: ignore[misc]


def _kinds(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        yield from (part for part in get_args(annotation) if part is not types.NoneType)
    else:
        yield annotation


def further(flags: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    """The same flags, which `--help` leaves out; `--help-all` shows them."""
    listed = list(flags)
    for flag in listed:
        (option,) = flag.annotation.__metadata__
        option.hidden = True
    return listed


def _show_all(context: typer.Context, wanted: bool) -> None:
    if wanted:
        for option in context.command.params:
            option.hidden = False  # type: ignore[attr-defined]
        print(context.get_help())
        raise typer.Exit


HelpAll = Annotated[
    bool,
    typer.Option(
        "--help-all", callback=_show_all, is_eager=True, help="Show every option, also of tuning, tests and engines."
    ),
]


def planned(app: typer.Typer, name: str, words: Iterable[str], what: str) -> dict[str, Any]:
    """What was said to a plan by another command's flags: `leaven plan NAME`, whose help says `what` it does."""
    command = typer.main.get_command(app)
    command.help = what
    return command.make_context(f"leaven plan {name}", list(words)).params
