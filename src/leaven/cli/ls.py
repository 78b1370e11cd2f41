"""`leaven ls`: what there is."""

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)
VERBS = {"methods": "fit", "metrics": "score", "probes": "measure", "makers": "make", "selectors": "select"}


@app.command(epilog="Example: leaven ls methods")
def ls(
    kind: Annotated[
        str, typer.Argument(help="methods, metrics, probes, makers, selectors, tactics, prompts or recipes.")
    ],
) -> None:
    """List methods, metrics, probes, makers, selectors and more, with what each is and its settings.

    Plugs of your own in the current folder are listed by the path that a recipe names them by.
    """
    from leaven import plugs
    from leaven.errors import UserError, nearest
    from leaven.llm.prompts.render import names

    if kind == "prompts":
        print("\n".join(names()))
    elif kind == "recipes":
        from leaven.cli.work import RECIPES

        for path in sorted(RECIPES.glob("*.yaml")):
            print(f"{path.stem}\n    {path.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}")
    elif kind == "tactics":
        from leaven.lift.makers.evolve import tactics

        for of, known in tactics().items():
            for name, tactic in known.items():
                print(f"{name} ({of})\n    {tactic['says']}")
    elif kind in VERBS:
        for name in plugs.names(kind):
            module = plugs.load(kind, name)
            print(f"{name}\n    {plugs.summary(module)}")
            if kind in ("methods", "selectors"):
                for field, about in module.Config.model_fields.items():
                    print(f"    {field} ({about.get_default(call_default_factory=True)}): {about.description}")
        for place, says in plugs.nearby(VERBS[kind]):
            print(f"{place}\n    {says}")
    else:
        raise UserError(f"there are no {kind!r} to list", nearest(kind, [*VERBS, "tactics", "prompts", "recipes"]))
