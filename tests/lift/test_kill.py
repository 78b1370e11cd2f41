"""A lift that is killed outright goes on where it was: nothing is made twice, but for what is in flight."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from tests.llm.test_openai import asked_of, serving

ROWS = 1200
PLUG = '''
"""Writes down what it is asked, slowly."""
import time
from pathlib import Path
import numpy as np
PER_TEXT = True
def load(model):
    def embed(texts):
        time.sleep(0.15)
        with (Path(__file__).parent / "asked.txt").open("a") as file:
            file.write("".join(text.replace("\\n", " ") + "\\n" for text in texts))
        rng = np.random.default_rng(len(texts))
        return rng.standard_normal((len(texts), 8)).astype(np.float32)
    return embed
'''


@pytest.mark.slow
def test_killed_while_embedding(tmp_path, leaven):
    rows = [{"prompt": f"Say {i}.", "completion": f"{i} " * (i % 40 + 1)} for i in range(ROWS)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "slow.py").write_text(PLUG)
    words = [sys.executable, "-m", "leaven", "lift", "d.jsonl", "--embedder", "./slow.py", "--quality", "length",
             "--n", "50", "--out", "run"]  # fmt: skip
    env = {**os.environ, "LEAVEN_CACHE": str(tmp_path / "cache")}
    asked = tmp_path / "asked.txt"
    process = subprocess.Popen(words, cwd=tmp_path, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and (not asked.exists() or len(asked.read_text().splitlines()) < 256):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "embeddings.npy").exists()
    done = leaven(*words[3:], LEAVEN_CACHE=env["LEAVEN_CACHE"])
    assert done.code == 0, done.err
    texts = asked.read_text().splitlines()
    assert len(set(texts)) == ROWS
    assert len(texts) <= ROWS + 256
    assert pl.read_parquet(tmp_path / "run" / "audit.parquet").filter(pl.col("verdict") == "kept").height == 50
    again = leaven(*words[3:], LEAVEN_CACHE=env["LEAVEN_CACHE"])
    assert again.code == 0 and "nothing to do" in again.err, again.err
    assert asked.read_text().splitlines() == texts


@pytest.mark.parametrize("kills", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_killed_while_asking_no_reply_is_paid_twice(tmp_path, leaven, kills):
    """Answering anew, evolving and the report: killed at random moments, each prompt is answered about once."""
    rows = [{"prompt": f"Say {i}.", "completion": f"{i} " * (i % 40 + 1)} for i in range(200)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rng = random.Random(kills)
    with serving(tmp_path, latency=0.1, at_once=16) as url:
        words = [sys.executable, "-m", "leaven", "lift", "d.jsonl", "--llm", "openai:m", "--base-url", url,
                 "--rounds", "1", "--concurrency", "8", "--quality", "length", "--n", "50",
                 "--failures", "1", "--out", "run"]  # fmt: skip
        given = {"OPENAI_API_KEY": "x", "XDG_CACHE_HOME": str(tmp_path), "LEAVEN_CACHE": str(tmp_path)}
        env = {**os.environ, **given}
        for _ in range(kills):
            process = subprocess.Popen(
                words, cwd=tmp_path, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            time.sleep(1.5 + rng.uniform(0, 2))
            process.send_signal(signal.SIGKILL)
            process.wait()
        done = leaven(*words[3:], **given)
        assert done.code == 0, done.err
        answered = asked_of(url, "count")["answered"]
    # 200 answers anew and 200 rewritings, each unreadable and asked for once more; 32 are in flight at the most.
    assert 3 * 200 <= answered <= 3 * 200 + 32 * kills
    audit = pl.read_parquet(tmp_path / "run" / "audit.parquet")
    assert dict(audit.group_by("step").len().iter_rows()) == {"read": 200, "reanswer": 200, "evolve": 200}


PIECES = '''
"""The command, at small pieces; KILL names one of them, at the writing of which the process is killed."""
import os
import signal
from leaven.cli.main import run
from leaven.lift import pieces, vectors
from leaven.rows import shards
shards.BATCH, vectors.BLOCK_BYTES, save = 50, 4 * 8 * 20, pieces._save
def noted(path, arrays):
    name = "/".join((path.parts[-4], *path.parts[-2:])).removesuffix(".npy.partial")
    if name == os.environ.get("KILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    save(path, arrays)
    with open("written.txt", "a") as file:
        file.write(name + "\\n")
pieces._save = noted
run()
'''


@pytest.mark.slow
def test_killed_among_the_pieces_of_a_stage_no_finished_piece_is_computed_again(tmp_path):
    """In the midst of near copies, of both passes of variety, and of each row's nearest kept row."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(300)])
    texts = [" ".join(rng.choice(words, 30)) for _ in range(400)]
    texts += [f"{text} again" for text in texts[::4]]
    rows = [{"prompt": f"Say {i % 400}.", "completion": text, "mark": i % 97} for i, text in enumerate(texts)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    np.save(tmp_path / "v.npy", rng.standard_normal((len(rows), 8)).astype(np.float32))
    stages = [{"minhash": {"as": "dedup"}}, {"variety": {"keep": 0.6}}, {"marks": {"field": "mark"}}]
    recipe = {"data": "d.jsonl", "embeddings": "v.npy", "stages": stages, "n": 100}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    (tmp_path / "recipe.json").rename(tmp_path / "recipe.yaml")
    (tmp_path / "small.py").write_text(PIECES)

    def lift(out, kill=""):
        command = [sys.executable, "small.py", "lift", "--recipe", "recipe.yaml", "--out", out]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "KILL": kill}, capture_output=True, text=True, check=False
        )
        assert done.returncode == (-signal.SIGKILL if kill else 0), done.stderr

    lift("undisturbed")
    written = tmp_path / "written.txt"
    pieces = written.read_text().splitlines()
    written.unlink()
    for kill in ("dedup/0/4", "dedup/0/9", "variety/0/2", "variety/1/3", "audit/0/1"):
        lift("run", kill)
        left = {path.name for path in (tmp_path / "run" / "pieces").iterdir()}
        assert left == {kill.partition("/")[0]}
    lift("run")
    assert sorted(written.read_text().splitlines()) == sorted(pieces) and len(set(pieces)) == len(pieces) == 25
    names = [path.relative_to(tmp_path / "run") for path in (tmp_path / "run").rglob("*") if path.is_file()]
    same = [
        name for name in names if name.suffix in (".parquet", ".npy") or name.name in ("kept.jsonl", "summary.json")
    ]
    assert len(same) > 10 and not any("pieces" in name.parts for name in names)
    for name in same:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes(), name
    assert pl.read_parquet(tmp_path / "run" / "audit.parquet")["reason"].eq("a near copy of a kept row").sum() > 50
