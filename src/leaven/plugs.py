"""Plugs: a method, maker, metric or probe is a file, and its name is the name of the file.

`delia/methods/delia.py` is the method "delia"; `./mine.py` is a method outside the package. There is no registry.
"""

import ast
import importlib
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

from leaven.errors import UserError, nearest

FOLDERS: dict[str, tuple[str, ...]] = {
    "methods": ("delia/methods",),
    "metrics": ("task/metrics",),
    "probes": ("study/probes",),
    "makers": ("delia/makers", "lift/makers"),
    "selectors": ("lift/selectors",),
    "embedders": ("lift/embed",),
}
"""Where the plugs of each kind lie."""


def names(kind: str) -> list[str]:
    """The plugs of a kind that the package has, for example "methods"."""
    return sorted(_files(kind))


def _files(kind: str) -> dict[str, str]:
    """The name of each plug, and its folder."""
    return {
        path.stem: folder
        for folder in FOLDERS[kind]
        for path in (Path(__file__).parent / folder).glob("*.py")
        if not path.stem.startswith("_")
    }


def load(kind: str, name: str) -> ModuleType:
    """The plug called `name`: a file of the package, or a path that ends in `.py`.

    Raises UserError for an unknown name (with the nearest known one) or a path that does not exist.
    """
    if name.endswith(".py"):
        return _load_file(Path(name).resolve())
    files = _files(kind)
    if name not in files:
        raise UserError(
            f"there is no {kind} plug called {name!r}",
            f"{nearest(name, files)} A plug of your own is named by its path, for example ./{name}.py",
        )
    return importlib.import_module(f"leaven.{files[name].replace('/', '.')}.{name}")


def nearby(verb: str, place: Path | None = None) -> list[tuple[str, str]]:
    """(`./NAME.py`, its first line) of the files in a folder that define the plug's function; none of them is run."""
    found = []
    for path in sorted((place or Path()).glob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError, OSError):
            continue  # somebody's other file
        if any(isinstance(node, ast.FunctionDef) and node.name == verb for node in tree.body):
            found.append((f"./{path.name}", (ast.get_docstring(tree) or "").split("\n")[0]))
    return found


def summary(module: ModuleType) -> str:
    """The first line of the plug's docstring."""
    return (module.__doc__ or "").strip().split("\n")[0]


@cache
def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"the plug {path} does not exist", "Check the path; it is taken from the current folder.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file", "A plug is one .py file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
