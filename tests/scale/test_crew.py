"""Pieces of work by the process itself, and by a cluster: the same results, and errors as they were raised."""

import json
import os
import pickle
import subprocess
import sys

import pytest

from leaven.errors import RecipeError, UserError
from leaven.runs.progress import stderr
from leaven.scale.crew import crew, here, in_order
from leaven.scale.settings import ScaleSection

SCRIPT = """
import json, sys
from functools import partial
from operator import add, truediv
from pathlib import Path
from leaven.errors import UserError
from leaven.runs.lock import lock
from leaven.runs.progress import stderr
from leaven.scale.crew import crew
from leaven.scale.settings import ScaleSection
from leaven.section import checked

def ended(folder, needed, work, pieces):
    try:
        with crew(config, folder, stderr(), partial(int, 7), needed) as workers:
            return sorted(workers.each(work, pieces))
    except (UserError, ZeroDivisionError) as error:
        return [type(error).__name__, str(error)]

config, folder = ScaleSection(on=sys.argv[1]), Path("run")
with lock(folder):
    sums = ended(folder, [], add, [1, 2, 3])
    broken = ended(folder, [], truediv, [0])
    absent = ended(folder, [Path("/no/such/model")], add, [1])
print(json.dumps({"sums": sums, "broken": broken, "absent": absent}))
"""


def test_here_the_pieces_come_in_their_order_and_share_what_is_made_once(tmp_path):
    made = []
    with crew(ScaleSection(), tmp_path, stderr(), lambda: made.append(1) or 7) as workers:
        assert list(workers.each(lambda shared, piece: shared + piece, [1, 2])) == [(0, 8), (1, 9)]
        assert list(workers.each(lambda shared, piece: shared - piece, [1])) == [(0, 6)]
    assert made == [1]


def test_pieces_are_taken_one_by_one_and_results_are_put_in_order():
    taken = []
    with here(lambda: None) as workers:
        results = workers.each(lambda _, piece: piece, (taken.append(piece) or piece for piece in range(3)))
        assert next(results) == (0, 0) and taken == [0]
    assert list(in_order([(2, "c"), (0, "a"), (1, "b")])) == ["a", "b", "c"]


@pytest.mark.parametrize("error", [UserError("a", "b"), UserError("a"), RecipeError("r", ["x", "y"], "h")])
def test_an_error_goes_to_another_process_as_it_is(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_what_names_no_cluster_is_refused():
    with pytest.raises(ValueError, match="is no cluster: write ray, or ray://HOST:PORT"):
        ScaleSection(on="slurm")


@pytest.mark.slow
def test_a_cluster_from_outside_gives_the_same_and_says_what_a_machine_does_not_see(tmp_path, nodes):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, nodes.client],
        env=dict(os.environ), capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["sums"] == [[0, 8], [1, 9], [2, 10]]
    assert said["broken"][0] == "ZeroDivisionError"
    assert said["absent"][0] == "UserError" and "does not see /no/such/model" in said["absent"][1]
