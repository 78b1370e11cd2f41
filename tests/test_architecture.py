"""Imports point down only, every recipe field is read by code, and the command's help is light."""

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import leaven
from leaven import plugs
from leaven.delia.settings import DiversifyConfig
from leaven.llm.settings import LLMSection
from leaven.models.settings import SampleSection, TuneSection
from leaven.rows.leaks import LeaksSection
from leaven.study import recipe
from leaven.task.settings import EvaluateSection
from leaven.task.token import TokenSection

ROOT = Path(leaven.__file__).parent
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
# From the top to the bottom: a room imports only rooms further down; inside a room files may meet, without circles.
ROOMS = [
    "__main__",
    "cli",
    "api",
    "serving",
    "view",
    "study",
    "delia",
    "lift",
    "lab",
    "llm",
    "harness",
    "models",
    "task",
    "rows",
    "scale",
    "runs",
    "section",
    "plugs",
    "extras",
    "errors",
]
LEVEL = {name: level for level, name in enumerate(ROOMS)}
HEAVY = ("torch", "transformers", "datasets", "polars", "numpy", "sklearn", "altair", "aiohttp", "peft", "trl", "scipy")


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path):
    """(imported leaven module, whether only for the type checker) for each import of a file."""
    return tuple(_imports(tree_of(path)))


def _imports(tree):
    guarded = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "leaven":
            for alias in node.names:
                name = f"{node.module}.{alias.name}" if node.module == "leaven" else node.module
                yield name, node in guarded
        elif isinstance(node, ast.Import):
            yield from ((a.name, node in guarded) for a in node.names if a.name.split(".")[0] == "leaven")


def test_imports_point_down_only():
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 60
    faults = []
    for path in files:
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if part == "__init__":
            continue  # the API: names of rooms, loaded when they are used
        for name, typing_only in imports(path):
            target = name.split(".")[1]
            if typing_only or target == part:
                continue
            if LEVEL[target] <= LEVEL[part]:
                faults.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not faults, "\n".join(faults)


def test_a_rooms_init_says_what_the_folder_is_and_does_nothing():
    inits = [ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*/__init__.py")]
    assert len(inits) > 10
    assert all(len(init.body) == 1 and ast.get_docstring(init) for init in inits)


def test_every_recipe_field_is_read_by_code():
    sections = (recipe.Recipe, TokenSection, EvaluateSection, TuneSection, SampleSection, LLMSection, LeaksSection)
    sections += (DiversifyConfig,)
    reads = set()
    for path in ROOT.rglob("*.py"):
        tree = tree_of(path)
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        # `text.format(…)` and `fields.keys()` are calls and read no setting; `values.get("preset")` reads one.
        reads |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and id(n) not in called}
        calls = [
            n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func).endswith((".get", "getattr"))
        ]
        reads |= {a.value for call in calls for a in call.args if isinstance(a, ast.Constant)}
    fields = [(section.__name__, field) for section in sections for field in section.model_fields]
    assert len(fields) > 40
    assert [field for field in fields if field[1] not in reads] == []


@pytest.mark.parametrize("command", [["-m", "leaven", "--help"], ["-c", "import sys; sys.argv = ['leaven', '--help']; "
                                     "from leaven.cli.main import run; run()"]])  # fmt: skip
def test_help_imports_nothing_heavy(command):
    watch = (
        "import sys, atexit; atexit.register(lambda: print('LOADED', sorted(m for m in sys.modules if m in "
        f"{HEAVY!r}), file=sys.stderr)); "
    )
    if command[0] == "-m":
        command = [
            "-c",
            "import sys, runpy; sys.argv = ['leaven', '--help']; runpy.run_module('leaven', alter_sys=True)",
        ]
    done = subprocess.run(
        [sys.executable, "-c", watch + command[1]], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "delia" in done.stdout
    assert "LOADED []" in done.stderr


def test_every_file_is_short():
    long = [path.name for path in ROOT.rglob("*.py") if len(path.read_text(encoding="utf-8").splitlines()) > 500]
    assert not long


def modules():
    """Every module of the package, and all that it imports: late, for the type checker, or as a plug too."""
    files = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("leaven", *path.relative_to(ROOT).with_suffix("").parts)
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    plugged = {kind: {f"leaven.{folder.replace('/', '.')}" for folder in plugs.FOLDERS[kind]} for kind in plugs.FOLDERS}
    graph = {}
    for module, path in files.items():
        text = path.read_text(encoding="utf-8")
        names = {name for name, _ in imports(path)}
        froms = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom)]
        names |= {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
        rooms = {room for kind in re.findall(r"plugs\.load\(\s*\"(\w+)\"", text) for room in plugged[kind]}
        names |= {name for name in files if name.rpartition(".")[0] in rooms}
        graph[module] = {name for name in names if name in files and name not in (module, "leaven")}
    return graph


def circle(graph):
    """A path of modules that ends where it began, if there is one."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        path.append(module)
        found = next((way for name in sorted(graph[module]) if (way := visit(name))), [])
        path.pop()
        done.add(module)
        return found

    return next((way for module in graph if (way := visit(module))), [])


def test_no_module_imports_itself_by_any_way():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    graph = modules()
    assert "leaven.delia.methods.delia" in graph["leaven.study.run"]
    assert not circle(graph)


def test_what_is_cited_ships():
    assert not [path.name for path in ROOT.rglob("*") if path.suffix in (".py", ".yaml", ".jinja")
                and "papers.md" in path.read_text(encoding="utf-8")]  # fmt: skip


def snippets():
    """What nothing else runs: the benchmarks, and the Python of the map."""
    codes = {path.stem: path.read_text(encoding="utf-8") for path in sorted(BENCHMARKS.glob("*.py"))}
    text = (BENCHMARKS.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    codes |= {f"map {n}": code for n, code in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL))}
    return [pytest.param(code, id=name) for name, code in codes.items()]


@pytest.mark.parametrize("code", snippets())
def test_what_is_run_by_hand_imports_what_is_there(code):
    """A module that moves would break a benchmark or an example of the documents unseen."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("leaven"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
