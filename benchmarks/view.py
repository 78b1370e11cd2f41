"""How long the page of a run takes: its first paint, and a filter, with as many answers as are wanted.

    python benchmarks/view.py [ANSWERS]

A study of that many answers (200,000 where nothing is said: 5 methods × 2 seeds) is made up, served, and opened in a
Chromium that this starts. First paint: from the address to the list of answers on the screen, everything read by the
server for the first time. A filter: from the click to the drawn list, the median of five, each another one.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.view.chromium import Page
from tests.view.runs import OBJECT, study

from leaven.view import server

METHODS, SEEDS = ("original", "common", "common_equal_steps", "dmt", "delia"), (0, 1)


def main(answers: int = 200_000) -> None:
    questions = answers // (len(METHODS) * len(SEEDS))
    with tempfile.TemporaryDirectory() as folder:
        run = study(Path(folder) / "run", made_up(questions))
        with server.serve(run) as page:
            threading.Thread(target=page.serve_forever, daemon=True).start()
            measure(server.url(page), Path(folder), questions)
            page.shutdown()


def made_up(questions: int) -> dict[str, dict[int, list[str]]]:
    """Answers of some 150 characters, in the format on a share that differs from method to method."""
    long = "the sea is a vast and mysterious realm, teeming with life, "
    return {
        method: {
            seed: [
                f"{long}{number * (seed + 7) % 1009} {OBJECT if number * (place + 3) % 17 < 4 * place else long}"
                for number in range(questions)
            ]
            for seed in SEEDS
        }
        for place, method in enumerate(METHODS)
    }


def measure(url: str, folder: Path, questions: int) -> None:
    tab = Page(folder / "profile")
    try:
        began = time.perf_counter()
        tab.open(f"{url}#answers")
        tab.until("document.querySelectorAll('article.card').length > 0")
        print(f"{questions * len(METHODS) * len(SEEDS):,} answers, first paint: {time.perf_counter() - began:.2f} s")
        for name, addresses in {
            "filter by marks": [f"#answers?show={show}" for show in ("worse", "better", "wrong", "differ", "all")],
            "filter by a phrasing": [f"#answers?phrasing=Use+the+%3Csep%3E+format.&page={page}" for page in range(5)],
            "search": [f"#answers?search=realm%2C+teeming+with+life%2C+{number}" for number in range(11, 16)],
        }.items():
            used = time.process_time()
            seconds = [drawn(tab, url + address) for address in addresses]
            each = ", ".join(f"{1000 * value:.0f}" for value in seconds)
            server_cpu = 1000 * (time.process_time() - used) / len(seconds)
            print(f"{name}: {1000 * statistics.median(seconds):.0f} ms (each: {each}); of a processor "
                  f"the server took {server_cpu:.0f} ms each, the difference included")  # fmt: skip
    finally:
        tab.close()


def drawn(tab: Page, url: str) -> float:
    """Seconds from an address to its list on the screen, by the page's own clock."""
    return float(
        tab.run(f"""new Promise((resolve) => {{
        const began = performance.now(), address = {"#" + url.partition("#")[2]!r};
        const watch = new MutationObserver(() => {{
            if (document.getElementById('view')?.dataset.address !== address) return;
            watch.disconnect();
            requestAnimationFrame(() => setTimeout(() => resolve((performance.now() - began) / 1000)));
        }});
        watch.observe(document.getElementById('main'), {{ childList: true, subtree: true }});
        location.assign({url!r});
    }})""")
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
