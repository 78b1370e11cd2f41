"""The page of a lift in a browser: it fits a phone, and its charts come alive."""

import json
import random
import shutil

import pytest
from tests.view.test_page import in_a_browser

from leaven.view import lift as report


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_on_a_phone_nothing_is_wider_than_the_screen_and_every_chart_is_drawn(leaven, tmp_path):
    rng = random.Random(0)
    rows = [
        {"instruction": f"Tell of {rng.random()}.", "input": "", "output": "word " * rng.randint(1, 60)}
        for _ in range(40)
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    script = [
        {"match": rf"> Tell of 0\.\d*{digit}\.$", "reply": json.dumps(
            {"reason": "so", "clarity": digit, "difficulty": 2 * digit, "explanation": digit, "accuracy": 3 * digit}
        )}
        for digit in range(10)
    ]  # fmt: skip
    (tmp_path / "j.jsonl").write_text("\n".join(map(json.dumps, script)))
    done = leaven("lift", "d.jsonl", "--judge", "scripted:j.jsonl", "--n", 10, "--keep-variety", 1, "--out", "run")
    assert done.code == 0, done.err
    page = report.write(tmp_path / "run").read_text(encoding="utf-8")
    script = "document.title = `${document.documentElement.scrollWidth} of ${window.innerWidth}`"
    before, end, after = page.rpartition("</body>")
    (tmp_path / "page.html").write_text(f"{before}<script>{script}</script>{end}{after}")
    dom = in_a_browser(tmp_path / "page.html", tmp_path / "profile", "--window-size=390,800")
    wide, screen = dom.partition("<title>")[2].partition("</title>")[0].split(" of ")
    assert int(wide) <= int(screen) <= 500
    assert dom.count('id="chart-') == 4
    assert dom.count("vega-embed") >= 4
