"""A full disk is told as such whichever library met it, ends with exit code 2, and costs nothing that is written."""

import errno
import json
import os
import sqlite3
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from leaven.runs import disk
from leaven.runs import folder as runs

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from leaven.cli.main import run
run()
"""


def limited(size, words, folder):
    """The command in a process whose files may hold no more than `size` bytes: writes beyond fail as on a full disk."""
    env = {**os.environ, "LEAVEN_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *words],
        capture_output=True, text=True, check=False, cwd=folder, env=env,
    )  # fmt: skip


WRITERS = """
import resource, sqlite3, sys
import numpy as np, polars as pl
from pathlib import Path
from leaven.runs import disk, folder
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000,) * 2)
def store(path):
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE t (x)")
    base.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 100)
    base.commit()
table = np.random.default_rng(0).standard_normal(9_999)
def numbers(path):
    with path.open("wb") as file:
        np.save(file, table)
makers = [lambda path: path.write_text("x" * 99_999), pl.DataFrame({"x": table}).write_parquet, numbers, store]
for number, make in enumerate(makers):
    path = Path(f"file-{number}")
    try:
        folder.write(path, make)
    except Exception as error:
        print(disk.is_full(error), path.exists(), error)
try:
    for _ in range(999):
        folder.log(Path(), "calls", text="x" * 99)
except OSError as error:
    print(disk.is_full(error), False, error)
print(len(list(folder.events(Path(), "calls"))))
"""


def test_every_way_of_writing_says_that_the_disk_is_full(tmp_path):
    done = subprocess.run([sys.executable, "-c", WRITERS], capture_output=True, text=True, check=False, cwd=tmp_path)
    *lines, events = done.stdout.splitlines()
    assert len(lines) == 5 and all(line.startswith("True False ") for line in lines), done.stdout + done.stderr
    whole = [line for line in (tmp_path / "log.jsonl").read_bytes().split(b"\n") if line.endswith(b"}")]
    assert int(events) == len(whole) > 50
    runs.log(tmp_path, "calls", text="after")
    assert [event["text"] for event in runs.events(tmp_path, "calls")][-1] == "after"


@pytest.mark.parametrize(
    ("error", "full"),
    [(OSError(errno.ENOSPC, "No space left on device"), True), (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
     (sqlite3.OperationalError("database or disk is full"), True), (OSError(errno.ENOENT, "no such file"), False),
     (ValueError("something else"), False)],
)  # fmt: skip
def test_a_full_disk_is_told_from_other_errors_and_found_behind_them(error, full):
    assert disk.is_full(error) is full
    try:
        try:
            raise error
        except type(error) as inner:
            raise RuntimeError("while writing") from inner
    except RuntimeError as outer:
        assert disk.is_full(outer) is full


def test_a_lift_on_a_full_disk_ends_with_a_sentence_and_goes_on_from_there(tmp_path, leaven):
    rows = [{"prompt": f"Say {i}.", "completion": f"{i * 7919} " * (i % 3 + 1)} for i in range(200)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["lift", "d.jsonl", "--embedder", "lsa:64", "--quality", "length", "--n", "30", "--out", "run"]
    done = limited(48_000, words, tmp_path)  # bytes of a file: enough for the rows, too little for embeddings
    assert done.returncode == 2, done.stderr
    assert "Error: the disk is full: " in done.stderr and "Traceback" not in done.stderr
    assert "Free some space, then give the same command again" in done.stderr
    stage = tmp_path / "run" / "stages" / "answers.parquet"
    assert stage.exists() and not list((tmp_path / "run").rglob("*.partial"))
    before = stage.stat().st_mtime_ns
    done = leaven(*words, LEAVEN_CACHE=str(tmp_path / "cache"))
    assert done.code == 0, done.err
    assert stage.stat().st_mtime_ns == before
    assert pl.read_parquet(tmp_path / "run" / "kept.parquet").height == 30
    assert np.load(tmp_path / "run" / "embeddings.npy").shape == (200, 64)
