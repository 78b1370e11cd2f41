"""The page is whole, offline, and shows hostile rows as text."""

import http.server
import json
import shutil
import subprocess
import threading
from html.parser import HTMLParser

import polars as pl
import pytest

from leaven.rows.dataset import Dataset
from leaven.view import page, tables

HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "</script><script>document.title = 'owned'</script>",
    "<iframe src='http://127.0.0.1:PORT/frame'></iframe><link rel=stylesheet href='http://127.0.0.1:PORT/css'>",
    "<a href=\"javascript:document.title='owned'\">x</a> {{ 7 * 7 }} {% raw %} \u2028",
]
METRICS = ["unseen_phrasing/json", "general/exact"]


def fake_run(folder, texts=HOSTILE, methods=("original", "delia</script><script>document.title='owned'</script>")):
    """A run folder as study/run leaves it, with the texts wherever rows may show."""
    rows, scores = [], []
    for number, method in enumerate(methods):
        place = folder / "cells" / f"cell-{number}-n5-s0"
        place.mkdir(parents=True)
        answers = [
            {"test": "negation", "item": str(i), "prompt": t, "reference": t, "answer": t} for i, t in enumerate(texts)
        ]
        pl.DataFrame(answers).write_parquet(place / "answers.parquet")
        Dataset.of([]).save(place / "data" / "mixture.parquet")
        part = {"source": "task", "rows": 5, "tokens": 50, "trained_tokens": 9, "row_share": 1.0, "token_share": 1.0,
                "steps_touched": 2}  # fmt: skip
        cell = {"method": method, "size": 5, "seed": 0, "steps": 2, "losses": [2.0, 1.0], "mix": [part],
                "seconds": {"all": 1.5}, "notes": list(texts)}  # fmt: skip
        (place / "cell.json").write_text(json.dumps(cell))
        for metric in METRICS:
            rows.append({"method": method, "size": 5, "metric": metric, "mean": 0.25 + number / 2, "low": 0.2,
                         "high": 0.9, "n_items": 4, "n_seeds": 2, "by_seed": {"0": 0.2, "1": 0.3}})  # fmt: skip
        for layer in (1, 2):
            scores += [(method, 5, 0, f"layers/curve/{layer}/{kind}", "", 1.0) for kind in ("meaning", "control")]
    said = {"a": methods[-1], "b": methods[0], "size": 5, "difference": 0.5, "low": 0.1, "high": 0.9, "p": 0.01}
    sentence = f"{texts[0]} is above"
    comparisons = [{**said, "metric": m, "distinguishable": m == METRICS[0], "sentence": sentence} for m in METRICS]
    summary = {"headline": texts[0], "headline_metrics": METRICS, "methods": list(methods), "rows": rows,
               "comparisons": comparisons if len(methods) > 1 else [], "notes": list(texts)}  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary))
    schema = ["method", "size", "seed", "metric", "item", "value"]
    (pl.DataFrame(scores, schema=schema, orient="row") if scores else pl.DataFrame(schema=schema)).write_parquet(
        folder / "scores.parquet"
    )
    dropped = [("train", "too long", 1.0, "why", text, "rows.jsonl:1") for text in texts]
    pl.DataFrame(dropped, schema=["where", "reason", "score", "detail", "text", "place"], orient="row").write_parquet(
        folder / "dropped.parquet"
    )
    (folder / "recipe.yaml").write_text("model: lab\n" + "# " + texts[0])
    (folder / "env.json").write_text(json.dumps({"started": "2026-01-01", "leaven": "0"}))
    return folder


class Parsed(HTMLParser):
    """What a browser would make of the page: elements with their attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words, self.inside = [], [], None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.words.append(data)


def test_hostile_rows_are_text(tmp_path):
    found = Parsed(page.write(fake_run(tmp_path)).read_text(encoding="utf-8"))
    tags = [tag for tag, _ in found.elements]
    assert tags.count("script") == 2 and "iframe" not in tags and "img" not in tags and "link" not in tags
    text = "".join(found.words)
    for hostile in HOSTILE:
        assert hostile.split("\u2028")[0].strip() in text
    for tag, attributes in found.elements:
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, value)
        assert not [name for name in attributes if name.startswith("on")]


def test_the_policy_forbids_loading_anything(tmp_path):
    found = Parsed(page.write(fake_run(tmp_path)).read_text(encoding="utf-8"))
    policy = next(a["content"] for tag, a in found.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy


def test_every_part_is_there(tmp_path):
    text = "".join(Parsed(page.write(fake_run(tmp_path)).read_text(encoding="utf-8")).words)
    for words in ("side by side", "What was trained", "What was dropped", "too long", "Settings", "Every metric"):
        assert words in text
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == [
        f"{name}.{kind}" for name in ("headline", "layers", "losses") for kind in ("png", "svg")
    ]


def test_a_single_method_without_probes_still_has_a_page(tmp_path):
    folder = fake_run(tmp_path, methods=("original",))
    pl.read_parquet(folder / "scores.parquet").clear().write_parquet(folder / "scores.parquet")
    assert "nothing to compare" in page.write(folder).read_text(encoding="utf-8")


def test_bold_is_only_what_can_be_told_from_noise(tmp_path):
    summary = tables.read_summary(fake_run(tmp_path, ["plain"], ("original", "delia")))
    assert tables.best(summary) == {("delia", METRICS[0], 5)}
    html = page.write(tmp_path).read_text(encoding="utf-8")
    assert html.count("<strong>") == 1


def test_the_tables_show_means_and_seeds(tmp_path):
    from rich.console import Console

    summary = tables.read_summary(fake_run(tmp_path, ["plain"], ("original", "delia")))
    assert "| delia | 5 | 75 (20 to 90); 20 · 30 |" in tables.markdown(summary)
    console = Console(width=120, record=True)
    with console.capture() as captured:
        console.print(tables.terminal(summary))
    assert "20–30" in captured.get()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_in_a_browser_nothing_runs_and_nothing_is_fetched(tmp_path):
    asked = []

    class Watch(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Watch)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    texts = [text.replace("PORT", str(server.server_port)) for text in HOSTILE]
    path = page.write(fake_run(tmp_path, texts))
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
         "--disable-quic", "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=8000", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    server.shutdown()
    server.server_close()
    assert "<title>leaven report</title>" in done.stdout
    assert not asked
    assert done.stdout.count('class="vega-embed"') == 3 or done.stdout.count("vega-embed") >= 3
