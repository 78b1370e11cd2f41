"""The LLM layer beside its ideal: requests a second at 200 ms latency, 64 at a time; and stored replies read back.

The servers are processes of their own: one that lets more calls wait, one that refuses them (429, Retry-After .2), and
two behind one model. The ideal is what they can answer; on a busy machine the client's own work shows. What a server
that refuses gives at best is shown by a bare aiohttp client beside ours, which is told how many calls it takes.

    python benchmarks/llm.py fleet

asks a fleet of four servers alone: how many calls one client keeps under way, and what a call takes of its CPU.
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from leaven.llm.engines.openai import OpenAI
from leaven.llm.engines.scripted import Scripted
from leaven.llm.protocol import LLM, Sampling
from leaven.llm.store import Store, Stored
from leaven.llm.throttle import Limits
from leaven.rows.example import user

SERVER = Path(__file__).parent.parent / "tests" / "llm" / "server.py"
REQUESTS, LATENCY, AT_ONCE, STORED, ROUNDS = 2000, 0.2, 64, 20_000, 3
IDEAL = AT_ONCE / LATENCY
PLAN = {"latency": LATENCY, "at_once": AT_ONCE}
HARD = {**PLAN, "refuse": True, "retry_after": "0.2"}
FLEET, AT_EACH, THOUGHT, CALLS = 4, 128, 2.0, 4096
"""Servers of a fleet, calls under way at each at the start, the seconds that a reply takes, and how many are asked."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if "fleet" not in sys.argv[1:]:
            rates()
        for _ in range(ROUNDS):
            fleet(Path(folder))


def fleet(folder: Path) -> None:
    """The calls that one client keeps under way at several servers, and the CPU (user and system) that each takes."""
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(folder, {"latency": THOUGHT})) for _ in range(FLEET)]
        llm = OpenAI.open("m", urls, Limits(concurrency=AT_EACH))
        prompts = [user(f"question {number}") for number in range(CALLS)]
        under_way, began, before = [], time.perf_counter(), time.process_time()
        for _, reply in llm.replies(prompts, Sampling()):
            assert reply.text
            under_way.append(sum(server.throttle.under_way for server in llm.client.servers.each))
        spent, took = time.process_time() - before, time.perf_counter() - began
        asked = sum(server.requests for server in llm.client.servers.each)
        print(f"{FLEET} servers, {THOUGHT:g} s a reply: {median(under_way):.0f} calls under way (median), "
              f"{CALLS / took:,.0f} replies/s, {1000 * spent / asked:.2f} ms of CPU a call")  # fmt: skip


def rates() -> None:
    """Replies a second."""
    print(f"chat requests, {REQUESTS:,} at {LATENCY * 1000:.0f} ms, {AT_ONCE} at a time; ideal {IDEAL:,.0f}/s a server")
    with tempfile.TemporaryDirectory() as folder:
        for what, plans in (
            ("a server that lets more wait", [PLAN]),
            ("a server that refuses more", [HARD]),
            ("two servers, each lets more wait", [PLAN, PLAN]),
            ("two servers, each refuses more", [HARD, HARD]),
        ):
            rounds = [shares_of(Path(folder), plans) for _ in range(ROUNDS)]
            beside = " of one server's ideal"
            if plans == [HARD]:
                beside += f"; a bare client that knows it {figures(bare for _, bare in rounds)}"
                beside += f"; ratio {figures(ours / bare for ours, bare in rounds)}"
            print(f"{what}: {figures(ours for ours, _ in rounds)}{beside}")
        first, *again = readings(Path(folder))
        print(f"store, {STORED:,} replies: written {first:,.0f}/s · read back "
              f"{' '.join(f'{rate:,.0f}' for rate in again)}/s")  # fmt: skip


def shares_of(folder: Path, plans: list[dict[str, Any]]) -> tuple[float, float]:
    """The shares of the ideal that our client gets, and right after it a bare one, where one server refuses."""
    ours = requests(folder, plans) / IDEAL
    return ours, bare(folder) / IDEAL if plans == [HARD] else 0.0


def bare(folder: Path) -> float:
    """Answered requests a second of as many workers as the server takes calls, which do nothing else."""

    async def work(session: aiohttp.ClientSession, url: str, numbers: Iterator[int]) -> int:
        refusals = 0
        for number in numbers:
            body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}
            while True:
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    said = await response.read()
                    if response.status == 200:
                        assert json.loads(said)["choices"][0]["message"]["content"]
                        break
                    refusals += 1
        return refusals

    async def all_of(url: str) -> float:
        numbers = iter(range(REQUESTS))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            began = time.perf_counter()
            refusals = await asyncio.gather(*(work(session, url, numbers) for _ in range(AT_ONCE)))
            took = time.perf_counter() - began
        print(f"  bare: {REQUESTS / took:,.0f}/s, {sum(refusals):,} refused", file=sys.stderr)
        return REQUESTS / took

    with serving(folder, HARD) as url:
        return asyncio.run(all_of(url))


def requests(folder: Path, plans: list[dict[str, Any]]) -> float:
    """Answered requests a second, of servers in processes of their own."""
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(folder, plan)) for plan in plans]
        llm = OpenAI.open("m", urls)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        rate = answered(llm, REQUESTS)
        spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
        print(f"  {rate:,.0f}/s, {spent:.2f} s of this process; {' '.join(llm.sentences())}", file=sys.stderr)
        return rate


@contextmanager
def serving(folder: Path, plan: dict[str, Any]) -> Iterator[str]:
    """The address of a server that is there while the block runs."""
    place = folder / f"port-{time.monotonic_ns()}"
    server = subprocess.Popen(
        [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdin is not None
        print(json.dumps([str(place), plan]), file=server.stdin, flush=True)
        while not place.exists():
            if server.poll() is not None:
                raise SystemExit(f"{SERVER} ended with {server.returncode} before it served.")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{place.read_text()}/v1"
    finally:
        server.kill()
        server.wait()


def readings(folder: Path) -> list[float]:
    """Replies a second through the store: the first time asked and written, then read back."""
    engine = Scripted(lambda prompt, draw: f"An answer of some length to {prompt[-1].content}. " * 8)
    return [answered(Stored(engine, Store.open(folder / "replies.db")), STORED) for _ in range(1 + ROUNDS)]


def answered(llm: LLM, count: int) -> float:
    prompts = [user(f"question {number}") for number in range(count)]
    began = time.perf_counter()
    replies = [reply for _, reply in llm.replies(prompts, Sampling())]
    assert all(reply.text for reply in replies) and len(replies) == count
    return count / (time.perf_counter() - began)


def figures(shares: Iterable[float]) -> str:
    return " ".join(f"{share:.3f}" for share in shares)


if __name__ == "__main__":
    main()
