"""Plugs: a method, maker, metric or probe is a file, and its name is the name of the file.

`methods/delia.py` is the method "delia"; `./mine.py` is a method outside the package. There is no registry.
"""

import ast
import importlib
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

from leaven.errors import UserError, nearest


def names(folder: str) -> list[str]:
    """The plugs that the package has in `folder`, for example "methods"."""
    files = (Path(__file__).parent / folder).glob("*.py")
    return sorted(path.stem for path in files if not path.stem.startswith("_"))


def load(folder: str, name: str) -> ModuleType:
    """The plug called `name`: a file of the package's `folder`, or a path that ends in `.py`.

    Raises UserError for an unknown name (with the nearest known one) or a path that does not exist.
    """
    if name.endswith(".py"):
        return _load_file(Path(name).resolve())
    if name not in names(folder):
        raise UserError(
            f"there is no {folder} plug called {name!r}",
            f"{nearest(name, names(folder))} A plug of your own is named by its path, for example ./{name}.py",
        )
    return importlib.import_module(f"leaven.{folder}.{name}")


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
