"""`leaven ls`: what there is."""

from typing import TYPE_CHECKING, Annotated

import typer

from leaven.cli.flags import default_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

app = typer.Typer(add_completion=False)
OTHERS = ("tactics", "prompts", "recipes")


@app.command(epilog="Example: leaven ls methods")
def ls(
    kind: Annotated[
        str,
        typer.Argument(
            help="methods, metrics, formats, probes, makers, selectors, embedders, engines, tactics, prompts "
            "or recipes."
        ),
    ] = "",
) -> None:
    """List methods, metrics, probes, makers, selectors and more, with what each is and its settings.

    Plugs of your own in the current folder are listed by the path that a recipe names them by.
    """
    from leaven import plugs
    from leaven.delia.ablations import ABLATIONS, describe
    from leaven.errors import UserError, nearest
    from leaven.llm.prompts.render import names

    known = sorted([*plugs.FUNCTIONS, *OTHERS])
    if kind not in known:
        if kind:
            raise UserError(f"there are no {kind!r} to list", nearest(kind, known))
        print("\n".join(f"leaven ls {each}" for each in known))
    elif kind == "prompts":
        print("\n".join(names()))
    elif kind == "recipes":
        for name, says in _recipes():
            print(f"{name}\n    {says}")
    elif kind == "tactics":
        for name, says in _tactics():
            print(f"{name}\n    {says}")
    else:
        for name in plugs.names(kind):
            module = plugs.load(kind, name)
            print(f"{name}\n    {plugs.summary(module)}")
            for line in _settings(module) if kind in (*plugs.CONFIGURED, "formats") else ():
                print(f"    {line}")
        for name in ABLATIONS if kind == "methods" else ():
            print(f"{name}\n    {describe(name)}")
        for mine, says in plugs.nearby(kind):
            print(f"{mine}\n    {says}")


def _recipes() -> "Iterator[tuple[str, str]]":
    """Each recipe that ships, those of a lift with the command that takes them, and its first line."""
    from leaven.lift import settings as lifts
    from leaven.study import recipe as studies

    for folder, command in ((studies.RECIPES, ""), (lifts.RECIPES, "leaven lift DATA --recipe ")):
        for path in sorted(folder.glob("*.yaml")):
            yield f"{command}{path.stem}", path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def _tactics() -> "Iterator[tuple[str, str]]":
    """Each tactic with the depth or breadth that it is of, and what it asks for."""
    from leaven.lift.makers.evolve import tactics

    for of, each in tactics().items():
        for name, tactic in each.items():
            yield f"{name} ({of})", tactic["says"]


def _settings(module: "ModuleType") -> "Iterator[str]":
    """The settings of a plug, a line each: its name, its default, and what it is."""
    config = getattr(module, "Config", None)  # a maker that a method calls may have none of its own
    for name, field in config.model_fields.items() if config else ():
        text: str | bool = "required"
        if not field.is_required():
            text = default_text(field.get_default(call_default_factory=True)) or "none"
        yield f"{name} ({text}): {' '.join((field.description or '').split())}"
