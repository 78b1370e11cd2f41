"""Imports point down only, every recipe field is read by code, and the command's help is light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import leaven
from leaven import recipe

ROOT = Path(leaven.__file__).parent
# From the top to the bottom; a part imports only parts further down (or itself).
LAYERS = [
    {"__main__"},
    {"cli"},
    {"lab", "study", "lift", "report"},
    {"methods"},
    {"bench"},
    {"synth", "curate", "mix", "tune", "evaluate", "probe"},
    {"selection"},
    {"embedding"},
    {"embed"},
    {"llm"},
    {"data", "weights"},
    {"vectors"},
    {"prompts", "run"},
    {"recipe"},
    {"plugs", "dataset"},
    {"types"},
    {"errors"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
HEAVY = ("torch", "transformers", "datasets", "polars", "numpy", "sklearn", "altair", "aiohttp", "peft", "trl", "scipy")


def imports(path):
    """(imported leaven module, whether only for the type checker) for each import of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
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
            continue
        for name, typing_only in imports(path):
            target = name.split(".")[1]
            if typing_only or target == part:
                continue
            if LEVEL[target] <= LEVEL[part]:
                faults.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not faults, "\n".join(faults)


def test_every_package_init_is_empty():
    inits = list(ROOT.rglob("__init__.py"))
    assert len(inits) > 10
    assert all(not path.read_text(encoding="utf-8").strip() for path in inits)


def test_every_recipe_field_is_read_by_code():
    sections = [recipe.Recipe, *(s for s in recipe.Section.__subclasses__() if s.__module__ == recipe.__name__)]
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py") if path.name != "recipe.py")
    own = (ROOT / "recipe.py").read_text(encoding="utf-8")
    fields = [(s.__name__, field) for s in sections for field in s.model_fields]
    assert len(fields) > 40
    unread = [f for f in fields if not re.search(rf"\.{f[1]}\b", code) and not re.search(rf'get\("{f[1]}"', own)]
    assert not unread


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
    long = [path.name for path in ROOT.rglob("*.py") if len(path.read_text(encoding="utf-8").splitlines()) > 300]
    assert not long
