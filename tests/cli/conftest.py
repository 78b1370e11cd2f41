"""A way to run the command as a user does, and the files of a tiny task."""

import contextlib
import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from leaven.cli.main import run
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair

TERMINAL = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture
def leaven(tmp_path, monkeypatch):
    """Run `leaven …` in a folder of its own, in this process; the result has code, out, err."""

    def call(*words):
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as here, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            here.chdir(tmp_path)
            here.setattr(sys, "argv", ["leaven", *map(str, words)])
            for name, value in TERMINAL.items():
                here.setenv(name, value)
            try:
                run()
                code = 0
            except SystemExit as end:
                code = end.code or 0
        return SimpleNamespace(code=code, out=out.getvalue(), err=err.getvalue())

    return call


@pytest.fixture
def process(tmp_path):
    """The same in a process of its own, for the few tests of what only a whole process can show."""

    def call(*words):
        done = subprocess.run(
            [sys.executable, "-m", "leaven", *map(str, words)],
            capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120, env={**os.environ, **TERMINAL},
        )  # fmt: skip
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)

    return call


@pytest.fixture
def rows(tmp_path):
    """Files of a tiny task: task.jsonl, test.jsonl, pool.jsonl in the folder where the command runs."""

    def made(name, texts):
        data = Dataset.of(pair(question, answer, Origin("x")) for question, answer in texts)
        files.write(data, tmp_path / name)

    made("task.jsonl", [(f"Is fish number {i} red?\nUse the <sep> format.", '{"thought": "t", "hallucination": "no"}')
                        for i in range(12)])  # fmt: skip
    made("test.jsonl", [(f"Is the {i} boat green?\nUse the <sep> format.", '{"thought": "t", "hallucination": "yes"}')
                        for i in range(6)])  # fmt: skip
    made("pool.jsonl", [(f"What is {i} plus {j}?", f"{i} plus {j} is {i + j}.") for i in range(8) for j in range(8)])
    return tmp_path
