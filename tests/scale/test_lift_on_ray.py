"""A lift on a cluster of which a machine is lost: what an undisturbed one keeps, and no text is embedded twice."""

import time
from collections import Counter

import numpy as np
import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

ROWS = 900
LIFT = {
    "data": "rows.jsonl",
    "embedder": "./gated.py",
    "stages": [{"minhash": {"as": "dedup"}}, {"variety": {"keep": 0.5}}, "longest"],
    "n": 200,
}
GATED = '''
"""Numbers by the letters of a text; all texts but the first ones wait for a file called go."""

import os
import time
import uuid
from pathlib import Path

import numpy as np

PER_TEXT = True


def load(model):
    return embed


def embed(texts):
    Path(f"begun-{uuid.uuid4()}").write_text(f"{os.getppid()} {texts[0].split()[0]}")
    while texts[0].split()[0] != "row0" and not Path("go").exists():
        time.sleep(0.05)
    return np.stack([np.bincount(np.frombuffer(text.encode(), np.uint8) % 16, minlength=16) for text in texts])
'''


def begun(folder):
    """(raylet, first word of its first text) for each time that a chunk of texts was begun."""
    lines = [path.read_text().split() for path in folder.glob("begun-*")]
    return [(int(line[0]), line[1]) for line in lines if line]


@pytest.fixture
def lift(begin, tmp_path):
    """Begins the lift, with a cache of its own for each folder."""

    def lift(out, *words, **environment):
        command = ("lift", "--recipe", "recipe.yaml", "--out", out, *words)
        return begin(*command, LEAVEN_CACHE=str(tmp_path / f"cache-{out}"), **environment)

    return lift


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(200)]
    answers = [rng.choice(words, rng.integers(5, 40)) for _ in range(ROWS)]
    lines = [{"instruction": f"row{row} asks", "output": " ".join(text)} for row, text in enumerate(answers)]
    lines += [{**line, "output": f"{line['output']} again"} for line in lines[::10]]
    pl.DataFrame(lines).write_ndjson(tmp_path / "rows.jsonl")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(LIFT))
    (tmp_path / "gated.py").write_text(GATED)
    return tmp_path


@pytest.mark.slow
def test_a_node_is_killed_and_the_kept_rows_are_those_of_one_process(folder, nodes, lift):
    process = lift("on-ray", "--on", "ray", RAY_ADDRESS=nodes.address)
    while not set(nodes.raylets) <= {raylet for raylet, chunk in begun(folder) if chunk != "row0"}:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    (lost,) = (chunk for raylet, chunk in begun(folder) if raylet == nodes.raylets[1] and chunk != "row0")
    nodes.lose_the_second()
    (folder / "go").touch()
    said = process.communicate()[1]
    assert process.returncode == 0, said
    times = Counter(chunk for _, chunk in begun(folder))
    assert len(times) == 4 and times == Counter([*times, lost])
    for path in folder.glob("begun-*"):
        path.unlink()
    own = lift("alone")
    assert own.communicate() and own.returncode == 0
    assert Counter(chunk for _, chunk in begun(folder)) == Counter(times.keys())
    mine, theirs = (pl.read_parquet(folder / out / "audit.parquet") for out in ("on-ray", "alone"))
    assert_frame_equal(mine, theirs, check_exact=True)
    assert mine["verdict"].eq("kept").sum() == 200 and mine["reason"].eq("a near copy of a kept row").sum() > 50
    again = lift("on-ray")  # where it was computed is no part of what a lift is
    assert "nothing to do" in again.communicate()[1]
