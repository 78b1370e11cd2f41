"""The LLM layer beside its ideal: requests a second at 200 ms latency, 64 at a time; and stored replies read back."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from leaven.llm.engines.openai import OpenAI
from leaven.llm.engines.scripted import Scripted
from leaven.llm.protocol import LLM, Sampling
from leaven.llm.store import Store, Stored
from leaven.rows.example import user

SERVER = Path(__file__).parent.parent / "tests" / "llm" / "server.py"
REQUESTS, LATENCY, AT_ONCE, STORED, ROUNDS = 2000, 0.2, 64, 20_000, 3


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rate = requests(Path(folder))
        ideal = AT_ONCE / LATENCY
        print(f"chat requests, {REQUESTS:,} at {LATENCY * 1000:.0f} ms, {AT_ONCE} at a time: {rate:,.0f}/s · "
              f"ideal {ideal:,.0f}/s · share {rate / ideal:.3f}")  # fmt: skip
        first, *again = readings(Path(folder))
        print(f"store, {STORED:,} replies: written {first:,.0f}/s · read back "
              f"{' '.join(f'{rate:,.0f}' for rate in again)}/s")  # fmt: skip


def requests(folder: Path) -> float:
    """Answered requests a second, of a server in a process of its own."""
    place = folder / "port"
    plan = json.dumps({"latency": LATENCY, "at_once": AT_ONCE})
    server = subprocess.Popen([sys.executable, str(SERVER), str(place), plan])
    try:
        while not place.exists():
            time.sleep(0.05)
        return answered(OpenAI.open("m", f"http://127.0.0.1:{place.read_text()}/v1"), REQUESTS)
    finally:
        server.kill()


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


if __name__ == "__main__":
    main()
