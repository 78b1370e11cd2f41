"""`accelerate launch -m leaven`: two processes do one study, as one does it, and end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from leaven.cli import main

RECIPE = """
methods: [original, {name: delia, ratio: 2}]
sizes: [24]
tune: {preset: lab, per_device_train_batch_size: 8, small_data_batch: 4, dtype: float32, save_steps: 1}
sample: {max_new_tokens: 16}
evaluate: {max_new_tokens: 16, limit_test: 4, ceiling_questions: 2}
probes: []
"""
CELL = "cells/delia-n24-s0"
SECONDS = 300


def begin(folder, *words):
    """Two processes under accelerate's launcher, which on a machine without GPUs has to be told to begin several."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    return subprocess.Popen(
        [*launcher, "--main_process_port", port, "-m", "leaven", *words], cwd=folder, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def pids(launcher):
    """The processes that it began, by their rank."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    environments = {int(pid): Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in children}
    return {rank: pid for pid, own in environments.items() for rank in (0, 1) if b"RANK=%d" % rank in own}


def is_alive(pid):
    return Path(f"/proc/{pid}").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text()


def lose(launcher, rank, checkpoint):
    """Kill one of the processes once a checkpoint was written; the others have to end with it."""
    began = time.time()
    while not checkpoint.exists() or checkpoint.stat().st_mtime < began:
        assert time.time() < began + SECONDS
        assert launcher.poll() is None, launcher.stderr.read()
        time.sleep(0.02)
    both = pids(launcher)
    os.kill(both[rank], signal.SIGKILL)
    launcher.communicate(timeout=SECONDS)
    assert launcher.returncode
    assert not any(map(is_alive, both.values()))


@pytest.mark.slow
def test_two_processes_do_one_study_as_one_does_whichever_is_lost_on_the_way(leaven, tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    alone, two = tmp_path / "alone", tmp_path / "two"
    assert leaven("study", "recipe.yaml", "--out", "alone").code == 0
    for rank in (1, 0):
        lose(begin(tmp_path, "study", "recipe.yaml", "--out", "two"), rank, two / CELL / "checkpoints/training.pt")
    pool = {path: path.stat().st_mtime for path in two.glob("pool/*/*.parquet")}
    last = begin(tmp_path, "study", "recipe.yaml", "--out", "two")
    errors = last.communicate(timeout=SECONDS)[1]
    assert last.returncode == 0, errors
    assert pool and {path: path.stat().st_mtime for path in two.glob("pool/*/*.parquet")} == pool
    assert errors.count("[2/2] delia-n24-s0") == 1
    about, expected = (json.loads((folder / CELL / "cell.json").read_text()) for folder in (two, alone))
    assert about["losses"] == pytest.approx(expected["losses"], abs=2e-5)  # rounded to five digits
    assert [about[name] for name in ("steps", "tokens", "trained_tokens")] == [
        expected[name] for name in ("steps", "tokens", "trained_tokens")
    ]
    for name in (f"{CELL}/answers.parquet", "scores.parquet", *(str(path.relative_to(two)) for path in pool)):
        assert pl.read_parquet(two / name).equals(pl.read_parquet(alone / name)), name
    journals = [json.loads((folder / "run.json").read_text()) for folder in (two, alone)]
    assert journals[0]["identity"] == journals[1]["identity"]
    logs = [[json.loads(line)["name"] for line in (f / "log.jsonl").read_text().splitlines()] for f in (two, alone)]
    assert logs[0] == logs[1]
    files = [{str(p.relative_to(f)) for p in f.rglob("*") if p.is_file()} for f in (two, alone)]
    assert files[0] == files[1]


@pytest.mark.slow
def test_what_the_user_can_mend_is_said_once_and_ends_both(tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE + "model: ./nothing\n")
    launcher = begin(tmp_path, "study", "recipe.yaml", "--out", "run")
    errors = launcher.communicate(timeout=SECONDS)[1]
    assert launcher.returncode
    assert errors.count("Error: the model ./nothing does not exist") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("rank", "command"), [("", "delia"), ("0", "quickstart"), ("0", "--help")])
def test_what_has_nothing_to_gain_from_several_processes_is_refused(monkeypatch, capsys, rank, command):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(sys, "argv", ["leaven", command])
    if rank:
        monkeypatch.setenv("RANK", rank)
    else:
        monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(SystemExit) as end:
        main.run()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("Error: 2 processes were started, and this needs one")
