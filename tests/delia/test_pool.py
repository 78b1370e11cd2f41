"""The pool of self-samples: what a kill in the middle of it costs."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from leaven.delia import pool as module
from leaven.delia.pool import Pool
from leaven.llm.engines import hf
from leaven.llm.engines.scripted import Scripted
from leaven.models.base import Base
from leaven.models.settings import SampleSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, user
from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study.parts import Parts
from leaven.task.format import open_format
from leaven.task.task import Task

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


def test_a_recipe_that_names_a_sampler_has_it(tmp_path):
    (tmp_path / "replies.jsonl").write_text('{"reply": "It is so."}\n')
    sampler = f"scripted:{tmp_path / 'replies.jsonl'}"
    recipe = recipes.parse({"methods": ["delia"], "sampler": sampler}, "test")
    task = Task(QUERIES, (), QUERIES, open_format("text"), recipe.token)
    rows = Parts.of(recipe, task, tmp_path, stderr()).pool.own(4, 0)
    assert [row.answer for row in rows.kept] == ["It is so."] * 4


def test_servers_sample_in_the_place_of_a_base_that_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(Base, "lend", lambda *_: pytest.fail("the base was asked"))
    sampler = Scripted(lambda prompt, draw: f"It is {prompt[-1].content}", "scripted:served")
    rows = replace(pool(tmp_path), sampler=sampler).own(8, 0).kept
    assert [row.answer for row in rows] == [f"It is {row.question}" for row in rows]
    assert {row.origin.model for row in rows} == {"scripted:served"}


@pytest.mark.parametrize(("width", "layers", "rows"), [(160, 6, 256), (576, 30, 96), (4096, 32, 32)])
def test_chunks_of_a_large_model_are_small_on_a_cpu(monkeypatch, width, layers, rows):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = SimpleNamespace(hidden_size=width, num_hidden_layers=layers, vocab_size=49_152)
    assert hf.chunk(config, 128) == rows
