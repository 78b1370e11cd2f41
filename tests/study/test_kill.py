"""Killed at ten random moments, the same command ends with the scores of an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import polars as pl
import pytest
import yaml

LAB = {
    "methods": ["original", {"name": "common_equal_steps", "ratio": 2}, {"name": "delia", "ratio": 8}],
    "sizes": [40],
    "seeds": [0, 1],
    "token": {"means": "a json object with the key thought"},
    "sample": {"max_new_tokens": 48},
    "tune": {"preset": "lab"},
    "evaluate": {"max_new_tokens": 32, "limit_test": 20},
}
REAL = {
    "model": "smollm2",
    "task": "own-answers",
    "queries": "questions",
    "token": {"means": "a JSON object with the key answer"},
    "methods": ["original", {"name": "delia", "label": "no buffer", "ratio": 0}, {"name": "delia", "ratio": 0.5}],
    "sizes": [24],
    "seeds": [0],
    "sample": {"max_new_tokens": 32},
    "tune": {"preset": "small", "save_steps": 2},
    "evaluate": {"max_new_tokens": 16, "limit_test": 6},
    "probes": [],
}
"""A study of a model whose arithmetic is in 16 bits, where a row's answer may depend on the rows beside it."""


def command(recipe, out):
    return [sys.executable, "-m", "leaven", "study", str(recipe), "--out", str(out)]


@pytest.mark.parametrize(
    "values", [pytest.param(LAB, marks=pytest.mark.slow), pytest.param(REAL, marks=pytest.mark.real)]
)
def test_kill_minus_nine_at_ten_random_moments(tmp_path, values):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(values))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    began = time.monotonic()
    subprocess.run(command(recipe, tmp_path / "whole"), check=True, **quiet)
    whole = time.monotonic() - began
    rng, kills, out = random.Random(0), 0, tmp_path / "killed"
    finished: dict[str, int] = {}
    while kills < 10 or not (out / "DONE").exists():
        process = subprocess.Popen(command(recipe, out), start_new_session=True, **quiet)
        try:
            process.wait(rng.uniform(0.05, 0.5) * whole if kills < 10 else None)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        if kills < 10 and (out / "DONE").exists():  # too quick: take the last cell away, and go on killing
            last = json.loads((out / "plan.json").read_text())[-1]
            (out / "DONE").unlink()
            (out / "cells" / last / "DONE").unlink()
            finished.pop(last, None)
        for done in out.glob("cells/*/DONE"):
            stamp = (done.parent / "scores.parquet").stat().st_mtime_ns
            assert finished.setdefault(done.parent.name, stamp) == stamp, f"{done.parent.name} was computed again"
    a, b = (pl.read_parquet(folder / "scores.parquet") for folder in (tmp_path / "whole", out))
    assert a.equals(b, null_equal=True)
    assert (out / "report.html").exists()


@pytest.mark.slow
def test_control_c_leaves_a_study_that_the_same_command_continues(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**LAB, "methods": ["original", "common"], "seeds": [0]}))
    process = subprocess.Popen(command(recipe, tmp_path / "out"), stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "out" / "cells" / "original-n40-s0" / "DONE").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130
    assert "The same command goes on from here" in said and "Traceback" not in said
    again = subprocess.run(command(recipe, tmp_path / "out"), check=True, capture_output=True, text=True)
    assert "original-n40-s0" not in again.stderr
    assert (tmp_path / "out" / "report.html").exists()
