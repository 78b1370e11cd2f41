"""The pool of self-samples: what a kill in the middle of it costs."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from leaven.delia import pool as module
from leaven.delia.pool import Pool
from leaven.llm.engines import hf
from leaven.models.base import Base
from leaven.models.settings import SampleSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, user
from leaven.runs.progress import stderr

CHUNK, ROWS = 8, 32
QUERIES = Dataset.of(Example(user(f"What is {number} plus two?"), Origin("test")) for number in range(ROWS))
SAMPLER = """
import sys
sys.path.insert(0, {tests!r})
import test_pool
test_pool.module.chunk = lambda *_: test_pool.CHUNK
test_pool.pool(sys.argv[1]).own(test_pool.ROWS, 0)
"""


def pool(folder):
    config = SampleSection(max_new_tokens=24, temperature=1.0)
    return Pool(QUERIES, Base("lab"), config, module.Path(folder), stderr())


@pytest.mark.slow
def test_a_killed_sampling_keeps_its_chunks_and_ends_with_the_same_rows(tmp_path, monkeypatch):
    script = SAMPLER.format(tests=os.path.dirname(__file__))
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "killed")], stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(tmp_path.glob("killed/seed-0/*.parquet")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    chunks = {path: path.stat().st_mtime_ns for path in tmp_path.glob("killed/seed-0/*.parquet")}
    assert 1 <= len(chunks) < ROWS / CHUNK
    monkeypatch.setattr(module, "chunk", lambda *_: CHUNK)
    killed, whole = (pool(tmp_path / name).own(ROWS, 0).kept for name in ("killed", "whole"))
    assert [row.messages for row in killed] == [row.messages for row in whole]
    assert all(path.stat().st_mtime_ns == written for path, written in chunks.items())


@pytest.mark.parametrize(("width", "layers", "rows"), [(160, 6, 256), (576, 30, 96), (4096, 32, 32)])
def test_chunks_of_a_large_model_are_small_on_a_cpu(monkeypatch, width, layers, rows):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = SimpleNamespace(hidden_size=width, num_hidden_layers=layers, vocab_size=49_152)
    assert hf.chunk(config, 128) == rows
