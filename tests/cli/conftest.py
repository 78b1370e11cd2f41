"""A way to run the command as a user does, and a model small enough to train in a test."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair


@pytest.fixture
def leaven(tmp_path):
    """Run `leaven …` in a folder of its own; the result has code, out, err."""

    def run(*words, stdin="", timeout=120, **env):
        done = subprocess.run(
            [sys.executable, "-m", "leaven", *map(str, words)],
            input=stdin, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=timeout,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1", **env},
        )  # fmt: skip
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


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
