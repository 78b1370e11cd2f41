"""A study on a cluster of which a machine is lost: the scores of an undisturbed run, and nothing computed twice."""

import time
from collections import Counter

import polars as pl
import pytest
import yaml

STUDY = {
    "methods": [{"name": "delia", "ratio": 2}, "./gated.py"],
    "sizes": [8],
    "seeds": [0, 1],
    "token": {"means": "a json object with the key thought"},
    "sample": {"max_new_tokens": 12},
    "tune": {"preset": "lab"},
    "evaluate": {"max_new_tokens": 12, "limit_test": 4},
}
GATED = '''
"""The untouched model, once there is a file called go; says in a file of its own which raylet's process began it."""

import os
import time
import uuid
from pathlib import Path

from leaven.section import Section


class Config(Section):
    """Nothing to set."""


def fit(train, bench, config):
    Path(f"begun-{uuid.uuid4()}").write_text(f"{os.getppid()} {bench.folder.name}")
    while not Path("go").exists():
        time.sleep(0.05)
    return bench.base()
'''


def begun(folder, raylets):
    """(raylet, cell) for each time that a gated cell was begun by the cluster."""
    lines = [path.read_text().split() for path in folder.glob("begun-*")]
    return [(int(line[0]), line[1]) for line in lines if line and int(line[0]) in raylets]


@pytest.mark.slow
def test_a_node_is_killed_and_the_scores_are_those_of_one_process(tmp_path, nodes, begin):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(STUDY))
    (tmp_path / "gated.py").write_text(GATED)
    out, study = tmp_path / "on-ray", ("study", "recipe.yaml", "--out")
    process = begin(*study, "on-ray", "--on", "ray", RAY_ADDRESS=nodes.address)
    own = begin(*study, "alone")
    while {raylet for raylet, _ in begun(tmp_path, nodes.raylets)} != set(nodes.raylets):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    there = [*(path.parent / "scores.parquet" for path in out.glob("cells/*/DONE")), *out.glob("pool/*/*.parquet")]
    stamps = {path: path.stat().st_mtime_ns for path in there}
    assert len(stamps) >= 4  # delia of both seeds is finished, and the samples of both
    (lost,) = (cell for raylet, cell in begun(tmp_path, nodes.raylets) if raylet == nodes.raylets[1])
    nodes.lose_the_second()
    (tmp_path / "go").touch()
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert own.communicate() and own.returncode == 0
    assert "Ray: 2 machines, each piece takes 1 CPUs and 0 GPUs." in said
    assert {path: path.stat().st_mtime_ns for path in there} == stamps
    times = Counter(cell for _, cell in begun(tmp_path, nodes.raylets))
    assert times == {f"gated-n8-s{seed}": 1 for seed in (0, 1)} | {lost: 2}
    assert not list(out.rglob("lock")) and not list(out.rglob("*.partial"))
    again = begin(*study, "on-ray")  # where it was computed is no part of what a study is
    assert "nothing to do" in again.communicate()[1]
    mine, theirs = (pl.read_parquet(tmp_path / name / "scores.parquet") for name in ("on-ray", "alone"))
    assert mine.equals(theirs, null_equal=True)
