"""`leaven ls`: what there is."""

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)
FOLDERS = {"methods": "methods", "metrics": "evaluate", "probes": "probe", "makers": "synth", "selectors": "curate"}


@app.command(epilog="Example: leaven ls methods")
def ls(
    kind: Annotated[str, typer.Argument(help="methods, metrics, probes, makers, selectors, prompts or recipes.")],
) -> None:
    """List methods, metrics, probes, makers, selectors, prompts or recipes, with what each is and its settings."""
    from leaven import plugs
    from leaven.errors import UserError, nearest
    from leaven.prompts.render import names

    if kind == "prompts":
        print("\n".join(names()))
    elif kind == "recipes":
        from leaven.cli.work import RECIPES

        for path in sorted(RECIPES.glob("*.yaml")):
            print(f"{path.stem}\n    {path.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}")
    elif kind in FOLDERS:
        for name in plugs.names(FOLDERS[kind]):
            module = plugs.load(FOLDERS[kind], name)
            print(f"{name}\n    {plugs.summary(module)}")
            if kind in ("methods", "selectors"):
                for field, about in module.Config.model_fields.items():
                    print(f"    {field} ({about.get_default(call_default_factory=True)}): {about.description}")
    else:
        raise UserError(f"there are no {kind!r} to list", nearest(kind, [*FOLDERS, "prompts", "recipes"]))
