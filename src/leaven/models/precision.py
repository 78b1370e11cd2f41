"""The numbers that a model runs in: bfloat16 on a GPU, and on a CPU whichever multiplies faster there.

Some CPUs multiply bfloat16 five times as fast as float32, others three times as slowly, and none says which: it is
measured, once for each machine and width of a model, and kept in leaven's cache, so that a run that is gone on with
goes on in the same numbers.
"""

import json
import logging
import platform
import time
from pathlib import Path

import torch

from leaven.runs import cache, content
from leaven.runs import folder as runs

logger = logging.getLogger(__name__)

ROWS = 64
SECONDS, TRIES = 0.025, 10
"""How long each of the two is tried, and how often at least: the first wait for threads, and tell nothing."""


def faster(width: int) -> str:
    """Which of bfloat16 and float32 this CPU multiplies faster at a width, as was measured here before or is now."""
    here = {"cpu": _cpu(), "torch": torch.__version__, "threads": torch.get_num_threads(), "width": width}
    path = cache.cache_folder() / "precision" / f"{content.key(here)}.json"
    if path.is_file():
        return str(json.loads(path.read_text(encoding="utf-8"))["dtype"])
    speeds = measure(width)
    dtype = max(speeds, key=speeds.__getitem__)
    try:
        runs.write_json(path, {**here, **speeds, "dtype": dtype})
    except OSError as error:
        logger.warning("which of float32 and bfloat16 is faster here can't be kept in %s: %s", path, error)
    return dtype


def measure(width: int) -> dict[str, float]:
    """Products of (64, width) and (width, width), in thousand million operations a second: the best of many, by turns.

    The best of a number of tries is what the machine can do; the others are what else it did meanwhile.
    """
    factors = {}
    for dtype in (torch.float32, torch.bfloat16):
        factors[dtype] = torch.ones(ROWS, width, dtype=dtype), torch.ones(width, width, dtype=dtype)
    best = dict.fromkeys(factors, float("inf"))
    began = time.perf_counter()
    tries = 0
    while tries < TRIES or time.perf_counter() - began < SECONDS * len(factors):
        tries += 1
        for dtype, (rows, weight) in factors.items():
            start = time.perf_counter()
            torch.nn.functional.linear(rows, weight)
            best[dtype] = min(best[dtype], time.perf_counter() - start)
    operations = 2 * ROWS * width * width
    return {str(dtype).removeprefix("torch."): round(operations / seconds / 1e9, 1) for dtype, seconds in best.items()}


def _cpu() -> str:
    """The name of this CPU, with what stands for all that it can do: virtual ones of one name differ."""
    path = Path("/proc/cpuinfo")
    lines = (line.partition(":") for line in (path.read_text(encoding="utf-8") if path.is_file() else "").splitlines())
    about = {key.strip(): value.strip() for key, _, value in lines}
    features = about.get("flags") or about.get("Features") or ""
    return f"{about.get('model name') or platform.processor()} {content.key(features)}"
