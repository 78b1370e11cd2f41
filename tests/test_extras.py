"""An install of each extra alone, and of none: what is not there is said with the extra that brings it."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import leaven
from leaven import extras

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
DECLARED = PROJECT["optional-dependencies"]
IMPORTED = {
    "faiss-cpu": "faiss",
    "scikit-learn": "sklearn",
    "vl-convert-python": "vl_convert",
    "json-repair": "json_repair",
    "pyyaml": "yaml",
}
BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
import contextlib, io, json
from leaven.cli.main import run
ends = []
for words in COMMANDS:
    sys.argv, said, code = ["leaven", *words], io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            run()
        except SystemExit as end:
            code = end.code or 0
    ends.append({"code": code, "said": said.getvalue()})
print(json.dumps(ends))
"""


def packages(extra):
    """The modules that an extra declares, its own extras included."""
    found = set()
    for requirement in DECLARED[extra]:
        if match := re.match(r"leaven\[(.*)\]", requirement):
            found |= {module for one in match[1].split(",") for module in packages(one)}
        else:
            name = re.match(r"[\w.-]+", requirement)[0].lower()
            found.add(IMPORTED.get(name, name.replace("-", "_")))
    return found


def leaven_with(tmp_path, installed, commands):
    """What each command says, and its exit code, one after another in a process that lacks all other packages."""
    if "torch" in installed:  # transformers asks the metadata whether scikit-learn is there, which no blocker changes
        installed = installed | {"sklearn"}
    blocked = sorted(set(extras.EXTRAS) - installed)
    code = BLOCK.replace("BLOCKED", repr(blocked)).replace("COMMANDS", repr(commands))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_package_that_an_extra_brings_is_known_and_the_other_way_round():
    for package, extra in extras.EXTRAS.items():
        assert package in packages(extra), f"{package} is not declared by {extra}"
    assert set(extras.STUDY) <= packages("train")


def test_every_package_that_is_imported_is_declared():
    declared = {name for extra in DECLARED for name in packages(extra)}
    base = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]}
    declared |= {IMPORTED.get(name, name.replace("-", "_")) for name in base}
    pattern = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)
    used = {
        name
        for path in Path(leaven.__file__).parent.rglob("*.py")
        for name in pattern.findall(path.read_text(encoding="utf-8"))
        if name not in sys.stdlib_module_names and name != "leaven"
    }
    known = {"bitsandbytes", "datasets", "pandas", "pyarrow"}  # used where somebody has them, and never needed
    prose = {name for name in used if not _is_module(name)}
    assert not used - declared - known - prose


def _is_module(name):
    from importlib.util import find_spec

    return find_spec(name) is not None


COMMANDS = {
    "": [
        ("quickstart", 2, "pip install 'leaven[train"),
        ("convert rows.jsonl -o out.jsonl", 0, "2"),
        ("curate longest rows.jsonl -o kept.jsonl --n 1", 0, "kept.jsonl"),
        ("sample rows.jsonl --llm openai:m -o o.jsonl", 2, "pip install 'leaven[llm]'"),
        ("lift rows.jsonl --llm hf:lab --judge openai:m --on ray", 2, "'leaven[report,train,llm,scale,curate]'"),
        ("report .", 2, "no finished study"),
    ],
    "llm": [
        ("sample rows.jsonl --llm hf:lab -o o.jsonl", 2, "pip install 'leaven[train]'"),
        ("lift rows.jsonl --quality length --n 1", 2, "pip install 'leaven[report]'"),
    ],
    "curate": [("curate k_center rows.jsonl -o k.jsonl --n 1", 0, "k.jsonl")],
    "train": [
        ("show masks rows.jsonl", 0, "tokens carry loss"),
        ("evaluate lab --benchmarks mmlu", 2, "pip install 'leaven[benchmarks]'"),
    ],
    "evaluate": [("quickstart", 2, "pip install 'leaven[train")],
}
ROW = '{"messages": [{"role": "user", "content": "Hi <sep>"}, {"role": "assistant", "content": "{\\"a\\": 1}"}]}\n'


@pytest.mark.parametrize("extra", COMMANDS)
def test_a_command_runs_or_names_its_extra(tmp_path, extra):
    (tmp_path / "rows.jsonl").write_text(ROW + ROW.replace("Hi", "Ho ho"))
    commands = [words.split() for words, _, _ in COMMANDS[extra]]
    ends = leaven_with(tmp_path, packages(extra) if extra else set(), commands)
    for (words, code, said), end in zip(COMMANDS[extra], ends, strict=True):
        assert "Traceback" not in end["said"], end["said"]
        assert (words, end["code"]) == (words, code), end["said"]
        assert said in end["said"]
