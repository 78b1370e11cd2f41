"""The LLM layer beside its ideal: requests a second at 200 ms latency, 64 at a time; and stored replies read back."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from leaven.llm.openai import OpenAI
from leaven.llm.protocol import Sampling
from leaven.types import user

SERVER = Path(__file__).parent.parent / "tests" / "llm" / "server.py"
REQUESTS, LATENCY, AT_ONCE = 2000, 0.2, 64


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "port"
        plan = json.dumps({"latency": LATENCY, "at_once": AT_ONCE})
        server = subprocess.Popen([sys.executable, str(SERVER), str(place), plan])
        try:
            while not place.exists():
                time.sleep(0.05)
            llm = OpenAI.open("m", f"http://127.0.0.1:{place.read_text()}/v1")
            prompts = [user(f"question {number}") for number in range(REQUESTS)]
            began = time.perf_counter()
            answered = sum(reply.text is not None for _, reply in llm.replies(prompts, Sampling()))
            rate = answered / (time.perf_counter() - began)
        finally:
            server.kill()
    ideal = AT_ONCE / LATENCY
    print(f"chat requests, {answered:,} of {REQUESTS:,}, {LATENCY * 1000:.0f} ms, {AT_ONCE} at a time: {rate:,.0f}/s · "
          f"ideal {ideal:,.0f}/s · share {rate / ideal:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
