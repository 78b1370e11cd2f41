"""A Ray cluster that carries out the pieces of a run. All that is Ray's stands in this file.

A piece is a Ray task. The driver, the process that was given the command, holds the run's folder and writes its
journal; the machines write what they compute into the same folder, on a file system that all of them see. Where a
machine is lost Ray gives the pieces that it worked at to another one. What is in the folder is what counts: who begins
a piece looks there first.
"""

import importlib.metadata
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before ray is there: nothing is told to anybody

import ray
from ray import cloudpickle
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from leaven.errors import UserError
from leaven.runs import lock
from leaven.runs.progress import Progress
from leaven.scale.settings import ScaleSection

Shared_co = TypeVar("Shared_co", covariant=True)
Piece = TypeVar("Piece")
Result = TypeVar("Result")

LOSSES = 10
"""So many machines may be lost under a piece; after one more it is likely the piece that ends them."""
HANDED_ON = ("LEAVEN_CACHE", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
"""What of the driver's environment is the machines' too. No key is among them."""
LEAST, AHEAD = 64, 2
"""So many pieces are handed out at a time, and so many more for each CPU: pieces of rows are many, and large."""
PATIENCE = 120.0
"""Seconds that a machine has to say what it sees."""
GIB = 1 << 30

_shared: dict[str, Any] = {}
"""In a process of Ray's: what the pieces of the crew that it works for have in common."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What makes another process work as the driver would: the folder it was started in, its environment, the run."""

    folder: Path
    holder: str
    needed: tuple[Path, ...]
    version: str
    environment: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path, needed: Sequence[Path]) -> "Circumstances":
        """Those of this process, which has locked the folder."""
        holder = (folder / lock.NAME).read_text(encoding="utf-8")
        environment = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
        return cls(folder.absolute(), holder, (Path.cwd(), *needed), _version(), environment)

    def faults(self) -> list[str]:
        """What of them is not so on this machine. The lock tells the run's folder from another one of that name."""
        path = self.folder / lock.NAME
        sees = path.is_file() and path.read_text(encoding="utf-8") == self.holder
        faults = [] if sees else [f"does not see the run's folder {self.folder}"]
        faults += [f"does not see {path}" for path in self.needed if not path.exists()]
        faults += [f"has leaven {_version()}, not {self.version}"] * (_version() != self.version)
        return [f"{socket.gethostname()} {fault}" for fault in faults]

    def enter(self) -> None:
        """Work as the driver would. Raises UserError where this machine can't."""
        if faults := self.faults():
            raise _unfit(faults)
        os.environ.update(self.environment)
        os.chdir(self.needed[0])


@dataclass(frozen=True)
class Cluster(Generic[Shared_co]):
    """The machines of a Ray cluster."""

    task: Any
    circumstances: Circumstances
    made: Any
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def each(self, work: Callable[[Shared_co, Piece], Result], pieces: Iterable[Piece]) -> Iterator[tuple[int, Result]]:
        """Side by side, as many as the machines have room for; a few wait, so that no machine does."""
        what = ray.put(cloudpickle.dumps(work))
        places: dict[Any, int] = {}
        for place, piece in enumerate(pieces):
            task = self.task.remote(self.name, self.circumstances, self.made, what, cloudpickle.dumps(piece))
            places[task] = place
            while len(places) > LEAST + AHEAD * ray.cluster_resources().get("CPU", 0):
                yield _first(places)
        while places:
            yield _first(places)


@contextmanager
def joined(
    config: ScaleSection, folder: Path, progress: Progress, make: Callable[[], Shared_co], needed: Sequence[Path]
) -> Iterator[Cluster[Shared_co]]:
    """The cluster that the settings name, when each of its machines has said that it sees what it needs.

    Leaving it ends what is still under way there. Raises UserError.
    """
    try:
        ray.init(None if config.on == "ray" else config.on, include_dashboard=False, logging_level="error")
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        raise UserError(
            f"no Ray cluster answers at {_address(config)}: {error}",
            "ray start --head begins one, and ray start --address HOST:PORT joins another machine to it.",
        ) from error
    try:
        circumstances = Circumstances.of(folder, needed)
        machines = [machine for machine in ray.nodes() if machine["Alive"]]
        _check(machines, circumstances)
        resources = _resources(config, machines)
        progress.say(_sentence(machines, resources))
        task = ray.remote(max_retries=LOSSES, **resources)(_carried_out)
        yield Cluster(task, circumstances, ray.put(cloudpickle.dumps(make)))
    finally:
        ray.shutdown()


def _first(places: dict[Any, int]) -> tuple[int, Any]:
    """The place and the result of the first of these tasks that ends, which is then none of them."""
    (ready,), _ = ray.wait(list(places), num_returns=1)
    return places.pop(ready), _got(ready)


def _carried_out(name: str, circumstances: Circumstances, made: bytes, what: bytes, piece: bytes) -> Any:
    """A piece of work, in a process of Ray's; nothing is unpacked before the environment is as the driver's."""
    circumstances.enter()
    if name not in _shared:
        _shared.clear()
        _shared[name] = cloudpickle.loads(made)()
    return cloudpickle.loads(what)(_shared[name], cloudpickle.loads(piece))


def _got(ready: Any) -> Any:
    """The result of a task that has ended. Raises what the piece raised, and UserError where Ray gave it up."""
    try:
        return ray.get(ready)
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        raise UserError(
            f"Ray has given up a piece of the run: {error}",
            "The same command goes on from what is there, and computes nothing again that is finished.",
        ) from error


def _check(machines: Sequence[Mapping[str, Any]], circumstances: Circumstances) -> None:
    """Raises UserError that names each machine that can't work for this run, and why; a lost one gets no work."""
    probe = ray.remote(num_cpus=0, max_retries=0)(Circumstances.faults)
    questions = {
        probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(machine["NodeID"], soft=False)).remote(
            circumstances
        ): machine["NodeManagerHostname"]
        for machine in machines
    }
    answers, silent = ray.wait(list(questions), num_returns=len(questions), timeout=PATIENCE)
    faults = [fault for answer in answers for fault in _faults(answer)]
    faults += [f"{questions[one]} has not answered for {PATIENCE:.0f} s" for one in silent]
    if faults:
        raise _unfit(faults)


def _faults(answer: Any) -> Sequence[str]:
    """What a machine says of itself; nothing where it has been lost meanwhile."""
    try:
        faults: Sequence[str] = ray.get(answer)
    except RayTaskError as error:
        raise error.cause from error
    except RayError:
        return []
    return faults


def _unfit(faults: Sequence[str]) -> UserError:
    return UserError(
        "; ".join(dict.fromkeys(faults)),
        "All machines share one file system, with the same paths, and the same leaven; `ray stop` takes one out.",
    )


def _resources(config: ScaleSection, machines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What a piece takes of a machine, as Ray wants it said."""
    any_gpu = any(machine["Resources"].get("GPU") for machine in machines)
    gpus = float(any_gpu) if config.num_gpus is None else config.num_gpus
    memory = {"memory": round(config.memory * GIB)} if config.memory else {}
    return {"num_cpus": config.num_cpus, "num_gpus": gpus, **memory}


def _sentence(machines: Sequence[Mapping[str, Any]], resources: Mapping[str, float]) -> str:
    """How many machines there are, and what a piece takes; where none has that now, that one is waited for."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    fit = [
        machine
        for machine in machines
        if all(machine["Resources"].get(names[name], 0) >= value for name, value in resources.items())
    ]
    takes = f"{resources['num_cpus']:g} CPUs and {resources['num_gpus']:g} GPUs"
    takes += f" and {resources['memory'] / GIB:g} GiB" if "memory" in resources else ""
    waits = "" if fit else "; none has as much, and one that joins is waited for"
    return f"Ray: {len(machines)} machines, each piece takes {takes}{waits}."


def _address(config: ScaleSection) -> str:
    return os.environ.get("RAY_ADDRESS", "this machine") if config.on == "ray" else config.on


def _version() -> str:
    return importlib.metadata.version("leaven")
