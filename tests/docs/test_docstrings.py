"""Every example in a docstring says what the code says."""

import doctest
import importlib
from pathlib import Path

import pytest

import leaven

ROOT = Path(leaven.__file__).parent
PATHS = [path for path in sorted(ROOT.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


def test_there_are_examples():
    assert len(PATHS) > 30


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_says_what_the_code_says(path, capsys):
    module = importlib.import_module(".".join(("leaven", *path.relative_to(ROOT).with_suffix("").parts)))
    failed, tried = doctest.testmod(module)
    assert tried and not failed, capsys.readouterr().out
