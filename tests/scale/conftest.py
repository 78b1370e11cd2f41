"""A Ray cluster of two nodes on this machine: two raylets, ended with the test."""

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

CLUSTER = """
import json, socket, sys
from ray.cluster_utils import Cluster
node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
with socket.socket() as free:
    free.bind(("", 0))
    port = free.getsockname()[1]
cluster = Cluster(initialize_head=True, head_node_args={**node, "ray_client_server_port": port})
second = cluster.add_node(**node)
pids = [one.all_processes["raylet"][0].process.pid for one in (cluster.head_node, second)]
client = f"ray://{cluster.address.rpartition(':')[0]}:{port}"
print(json.dumps({"address": cluster.address, "client": client, "raylets": pids}), flush=True)
sys.stdin.read()
cluster.shutdown()
"""

TRIES = 3
"""Ray gives a raylet thirty seconds to begin, which on a machine that is busy with other tests may be too few."""


@dataclass
class Nodes:
    address: str
    client: str
    raylets: list

    def lose_the_second(self):
        """As a machine that loses its power does: the raylet and all that it began, the workers above all."""
        children = Path(f"/proc/{self.raylets[1]}/task/{self.raylets[1]}/children").read_text().split()
        for process in (self.raylets[1], *map(int, children)):
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def begin(tmp_path):
    """Begins a command of leaven in the test's folder; it ends with the test at the latest."""
    with ExitStack() as stack:

        def begin(*words, **environment):
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "leaven", *words], env={**os.environ, **environment}, cwd=tmp_path,
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                )
            )  # fmt: skip
            stack.callback(process.kill)
            return process

        yield begin


@pytest.fixture
def nodes(tmp_path):
    """Two nodes with a CPU each; no process of Ray's outlives the test."""
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    environment["RAY_worker_niceness"] = "0"  # else workers give way to all that runs beside the test
    for _ in range(TRIES):
        with (tmp_path / "cluster.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", CLUSTER],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
            )  # fmt: skip
        with process:
            if line := process.stdout.readline():
                yield Nodes(**json.loads(line))
                process.stdin.close()
                return
    pytest.fail((tmp_path / "cluster.log").read_text()[-3000:])
