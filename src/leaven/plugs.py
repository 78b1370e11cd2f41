"""Plugs: a method, maker, metric or probe is a file, and its name is the name of the file.

`delia/methods/delia.py` is the method "delia"; `./mine.py` is a method outside the package. There is no registry.
"""

import ast
import importlib
import importlib.util
import inspect
import linecache
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from leaven.errors import UserError, nearest

T = TypeVar("T")

FOLDERS: dict[str, tuple[str, ...]] = {
    "methods": ("delia/methods",),
    "metrics": ("task/metrics",),
    "formats": ("task/formats",),
    "probes": ("study/probes",),
    "makers": ("delia/makers", "lift/makers"),
    "selectors": ("lift/selectors",),
    "embedders": ("lift/embed",),
    "engines": ("serving/engines",),
}
"""Where the plugs of each kind lie."""

FUNCTIONS: dict[str, str] = {
    "methods": "fit(train, bench, config)",
    "metrics": "score(answers, rows, scoring)",
    "formats": "detect(text, config)",
    "probes": "measure(loaded, task)",
    "makers": "make(data, llm, config, seed)",
    "selectors": "choose(data, scores, config, context)",
    "embedders": "load(model)",
    "engines": "serve(artefact)",
}
"""What makes a file a plug of its kind: the function that it defines."""

CONFIGURED = ("methods", "makers", "selectors")
"""Kinds whose files define their settings too: `class Config(Section)`. A format may, and needs none."""

NEEDS = ("seed", "vectors", "llm", "model")
"""What a selector may name in its own `NEEDS`."""

MOVED: dict[str, str] = {
    "bench": "delia.bench",
    "data.contamination": "lift.contamination",
    "data.formats": "rows.layouts",
    "data.material": "task.task",
    "data.objects": "task.formats._objects",
    "data.render": "rows.writer",
    "data": "rows",
    "dataset": "rows.dataset",
    "curate._judge": "llm.judge",
    "curate": "lift.selectors",
    "decode": "delia",
    "embed": "lift.embed",
    "embedding": "lift.embedding",
    "evaluate": "task.metrics",
    "llm.hf": "llm.engines.hf",
    "llm.openai": "llm.engines.openai",
    "llm.scripted": "llm.engines.scripted",
    "methods": "delia.methods",
    "mix": "delia",
    "probe.gradients": "study.gradients",
    "probe": "study.probes",
    "prompts.phrasing": "task.sift",
    "prompts.wording": "task.wording",
    "prompts": "llm.prompts",
    "recipe": "study.recipe",
    "report": "view",
    "run": "runs.folder",
    "sections": "section",
    "selection": "lift.selection",
    "synth._replies": "llm.replies",
    "synth.evolve": "lift.makers.evolve",
    "synth.reanswer": "lift.makers.reanswer",
    "synth": "delia.makers",
    "tune": "models",
    "types": "rows.example",
    "vectors.store": "lift.vector_store",
    "vectors.table": "lift.vectors",
    "vectors": "lift",
    "weights.losses": "models.surprise",
    "weights": "models",
}
"""Where modules and rooms of leaven 0.1 are now, for plugs that were written for it."""


_loaded: dict[Path, ModuleType] = {}
"""The plugs outside of the package, by their files."""


def names(kind: str) -> list[str]:
    """The plugs of a kind that the package has, for example "methods"."""
    return sorted(_files(kind))


def title(name: str) -> str:
    """What a plug is called in tables: `delia`, and `mine` for ./mine.py."""
    return Path(name).stem


def load(kind: str, name: str, also: Iterable[str] = ()) -> ModuleType:
    """The plug called `name`: a file of the package, or a path that ends in `.py`.

    Raises UserError for an unknown name (with the nearest one, of `also` too), a path that does not exist, and a file
    that can't be loaded or is not of this kind, with the line that is to blame.
    """
    if name.endswith(".py"):
        return _checked(kind, _load_file(Path(name).expanduser().resolve()))
    files = _files(kind)
    if name not in files:
        raise UserError(
            f"there is no {kind[:-1]} called {name!r}",
            f"{nearest(name, [*files, *also])} A {kind[:-1]} of your own is named by its path, for example ./{name}.py",
        )
    return importlib.import_module(f"leaven.{files[name].replace('/', '.')}.{name}")


def nearby(kind: str, folder: Path | None = None) -> Iterator[tuple[str, str]]:
    """(`./NAME.py`, its first line) of the files in a folder that are plugs of a kind; none of them is run."""
    for path in sorted((folder or Path()).glob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError, OSError):
            continue  # somebody's other file
        if any(isinstance(node, ast.FunctionDef) and node.name == _function(kind) for node in tree.body):
            yield f"./{path.name}", (ast.get_docstring(tree) or "").split("\n")[0]


def kind_of(path: str, kinds: Sequence[str]) -> str:
    """Which of these kinds a file of a user is, by the function that it defines; the first where it defines none."""
    module = _load_file(Path(path).expanduser().resolve())
    return next((kind for kind in kinds if hasattr(module, _function(kind))), kinds[0])


def summary(module: ModuleType) -> str:
    """The first line of the plug's docstring."""
    return (module.__doc__ or "").strip().split("\n")[0]


def _files(kind: str) -> dict[str, str]:
    """The name of each plug, and its folder."""
    return {
        path.stem: folder
        for folder in FOLDERS[kind]
        for path in (Path(__file__).parent / folder).glob("*.py")
        if not path.stem.startswith("_")
    }


def _function(kind: str) -> str:
    return FUNCTIONS[kind].partition("(")[0]


def _checked(kind: str, module: ModuleType) -> ModuleType:
    """The file of a user, if it is a plug of this kind."""
    for name, shape in ((_function(kind), f"def {FUNCTIONS[kind]}"), ("Config", "class Config(Section)")):
        if (name != "Config" or kind in CONFIGURED) and not hasattr(module, name):
            raise UserError(f"{module.__file__} is no {kind[:-1]}: it has no {name}", f"A {kind[:-1]} defines: {shape}")
    if fault := _other_arguments(getattr(module, _function(kind)), FUNCTIONS[kind]):
        raise UserError(f"{module.__file__}: {fault}", f"A {kind[:-1]} defines: def {FUNCTIONS[kind]}")
    if hasattr(module, "Config") and not hasattr(module.Config, "model_validate"):
        raise UserError(f"{module.__file__}: Config is no Section", "from leaven.section import Section")
    if unknown := sorted(set(getattr(module, "NEEDS", ())) - set(NEEDS)):
        raise UserError(f"{module.__file__}: a {kind[:-1]} can't need {unknown[0]!r}", nearest(unknown[0], NEEDS))
    return module


def _other_arguments(function: Any, shape: str) -> str:
    """What is wrong with a plug's function that can't be called as its kind is; "" where it can."""
    arguments = shape.partition("(")[2].rstrip(")").split(", ")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        return f"{shape.partition('(')[0]} can't be called with {', '.join(arguments)}: {error}"
    return ""


def returned(plug: Any, function: str, value: T, kind: type[Any], hint: str) -> T:
    """What a plug's function returned. Raises UserError, which names the file, for a value of another kind."""
    if isinstance(value, kind):
        return value
    raise UserError(f"{plug.__file__}: {function} returned {type(value).__name__}, and no {kind.__name__}", hint)


def to_blame(error: BaseException) -> UserError | None:
    """What to say of an error that a user's plug raised, or what it called outside of leaven; None for any other."""
    package = str(Path(__file__).parent)
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    ours_or_theirs = [Path(name) for name in frames if name.startswith(package) or Path(name) in _loaded]
    return _blame(ours_or_theirs[-1], error) if ours_or_theirs and ours_or_theirs[-1] in _loaded else None


def _load_file(path: Path) -> ModuleType:
    if path in _loaded:
        return _loaded[path]
    if not path.is_file():
        raise UserError(f"the plug {path} does not exist", "Check the path; it is taken from the current folder.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file", "A plug is one .py file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _blame(path, error) from error
    return _loaded.setdefault(path, module)


def _blame(path: Path, error: BaseException) -> UserError:
    """Which line of a user's file is to blame, and what to write there instead."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return UserError(f"{path}, line {error.lineno}: {error.msg}", f"It is not Python: {(error.text or '').strip()}")
    lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"{path}, line {lines[-1]}" if lines else str(path)
    missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    if missing.startswith("leaven."):
        # The error names the first room that is missing; the line, the module that was wanted.
        match = re.search(rf"{re.escape(missing)}[\w.]*", linecache.getline(str(path), lines[-1])) if lines else None
        module = match[0] if match else missing
        return UserError(f"{place}: there is no module {module}", _where(module))
    if missing:
        return UserError(f"{place}: {missing} is not installed", f"{sys.executable} -m pip install {missing}")
    line = linecache.getline(str(path), lines[-1]).strip() if lines else ""
    return UserError(
        f"{place}: {type(error).__name__}: {error}", f"Mend this line of your file: {line}" if line else ""
    )


def _where(module: str) -> str:
    """Where a module of an earlier leaven is now."""
    old = module.removeprefix("leaven.")
    for room in (old, old.partition(".")[0]):
        if new := MOVED.get(room):
            return f"It has moved: write leaven.{new}{old.removeprefix(room)} instead."
    return "docs/architecture.md lists the modules."
