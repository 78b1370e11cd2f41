"""The page is whole, offline, and shows hostile rows as text; its runs are made by the study itself."""

import http.server
import json
import shutil
import subprocess
import threading
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest
from rich.console import Console

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Message
from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study.run import SCHEMA, run
from leaven.study.sources import resolve
from leaven.view import charts, page, tables

HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "</script><script>document.title = 'owned'</script>",
    "<iframe src='http://127.0.0.1:PORT/frame'></iframe><link rel=stylesheet href='http://127.0.0.1:PORT/css'>",
    "<a href=\"javascript:document.title='owned'\">x</a> {{ 7 * 7 }} {% raw %} \u2028",
]
LABEL = "delia<img src=x onerror=document.title='owned'>"
METHOD = '''"""A method whose answers are given, on the untouched weights."""
from dataclasses import replace
from leaven.section import Section

class Config(Section):
    texts: tuple[str, ...]
    losses: tuple[float, ...] = (2.0, 1.5, 1.0, 0.5)

def fit(train, bench, config):
    bench.ledger.notes.extend(config.texts)
    respond = lambda prompts: [config.texts[i % len(config.texts)] for i in range(len(prompts))]
    return replace(bench.base(), respond=respond, steps=len(config.losses), trained_tokens=900, losses=config.losses)
'''
OBJECT = '{"thought": "so", "hallucination": "no"}'


def study(folder, texts=(OBJECT, "plain"), label="delia", others=("original",), seeds=(0,), hostile=()):
    """A study of a few rows with a method that answers `texts`; `hostile` texts stand wherever rows may show."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "given.py").write_text(METHOD)
    given = {"name": str(folder / "given.py"), "label": label, "texts": list(texts)}
    values = {
        "methods": [*others, given], "sizes": [5], "seeds": list(seeds),
        "token": {"means": "a json object with the key thought"},
        "evaluate": {"max_new_tokens": 4, "limit_test": 5},
    }  # fmt: skip
    recipe, task = resolve(recipes.parse(values, "test"), folder / "run", stderr())
    if hostile:
        rows = [replace(row, messages=_said(text)) for text, row in zip(hostile, task.rows, strict=False)]
        dropped = tuple(("train", Drop(row, "too long", 1.0, row.question)) for row in rows)
        tests = tuple(replace(test, rows=Dataset.of(rows)) for test in task.tests)
        task = replace(task, notes=tuple(hostile), dropped=dropped, tests=tests)
    return run(recipe, task, folder / "run", stderr())


def _said(text):
    return Message("user", f"{text} <sep>"), Message("assistant", text)


def hostile_run(folder, texts=HOSTILE):
    return study(folder, texts, LABEL, hostile=texts)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Three methods on three seeds, one of which answers every other question in the format."""
    silent = {"name": "original", "label": "common"}
    return study(tmp_path_factory.mktemp("plain"), others=("original", silent), seeds=(0, 1, 2))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return hostile_run(tmp_path_factory.mktemp("hostile"))


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


@pytest.fixture(scope="module")
def hostile_page(hostile):
    return Parsed(page.write(hostile).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def plain_html(plain):
    return page.write(plain).read_text(encoding="utf-8")


def test_hostile_rows_are_text(hostile_page):
    tags = [tag for tag, _ in hostile_page.elements]
    assert tags.count("script") == 2 and "iframe" not in tags and "img" not in tags and "link" not in tags
    text = "".join(hostile_page.words)
    for words in (*HOSTILE, LABEL):
        assert words.split("\u2028")[0].strip() in text
    for tag, attributes in hostile_page.elements:
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, value)
        assert not [name for name in attributes if name.startswith("on")]


def test_the_policy_forbids_loading_anything(hostile_page):
    policy = next(a["content"] for _, a in hostile_page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy


def test_every_part_is_there(hostile, hostile_page):
    text = "".join(hostile_page.words)
    for words in ("side by side", "What was trained", "What was dropped", "too long", "Settings", "Every metric"):
        assert words in text
    assert sorted(path.name for path in (hostile / "charts").iterdir()) == [
        f"{name}.{kind}" for name in ("headline", "layers", "losses") for kind in ("png", "svg")
    ]


def test_each_trial_stands_with_its_content_which_an_older_study_has_not(tmp_path):
    folder = study(tmp_path, others=())
    summary = json.loads((folder / "summary.json").read_text())
    old = {"method": "delia", "settings": {"learning_rate": 2e-3}, "learnt": 1.0, "leak": 0.0, "kept": 0.5}
    old |= {"seconds": 1.0, "chosen": False}
    summary["trials"] = [old, {**old, "content": 0.375, "chosen": True}]
    (folder / "summary.json").write_text(json.dumps(summary))
    html = page.write(folder).read_text(encoding="utf-8")
    head, *trials = html.partition("How the settings were chosen")[2].partition("</table>")[0].split("<tr")[1:]
    place = head.split("<th").index(' class="n">their content</th>')
    assert [row.split("<td")[place].split(">")[1].split("<")[0] for row in trials] == ["–", "37.5"]


def test_a_single_method_without_probes_still_has_a_page(tmp_path):
    folder = study(tmp_path, others=())
    scores = pl.read_parquet(folder / "scores.parquet")
    scores.filter(~pl.col("metric").str.starts_with("layers")).write_parquet(folder / "scores.parquet")
    assert "nothing to compare" in page.write(folder).read_text(encoding="utf-8")


def test_the_page_begins_with_a_plain_sentence_what_was_found_the_figure_and_the_table(plain, plain_html):
    text = "".join(Parsed(plain_html).words)
    summary = tables.read_summary(plain)
    first, found = (
        text.index("With 5 examples the model answers in your format 60 times of 100"),
        text.index(summary["headline"]),
    )
    assert summary["headline"].startswith("DELIA") and "the strongest other method, common" in summary["headline"]
    table = text.index("in plain words") if "in plain words" in text else text.index("optimiser steps")
    assert first < found < text.index("Cost of DELIA") < text.index("The methods side by side") < table
    for column in summary["columns"]:
        assert column["explanation"] in text


def test_methods_stand_by_their_names_and_not_by_their_keys(plain, plain_html):
    table = plain_html[plain_html.index("<tbody>") : plain_html.index("</tbody>")]
    for name in ("Untouched model", "Common", "DELIA"):
        assert f'data-head="method">{name}<' in table
    drawing = (plain / "charts" / "headline.svg").read_text(encoding="utf-8")
    assert ">Untouched model<" in drawing and ">original<" not in drawing


def test_a_run_of_before_is_shown_in_todays_words(plain, tmp_path):
    """With its losses flat and its answers without the format, it also says first that nothing was learnt."""
    folder = shutil.copytree(plain, tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    assert not any("learnt nothing" in warning for warning in summary["warnings"])  # its loss fell
    old = {key: summary[key] for key in tables.NEEDED} | {"headline": "delia is above original"}
    old["rows"] = [{**row, "mean": 0.0, "low": 0.0, "high": 0.0} for row in old["rows"]]
    (folder / "summary.json").write_text(json.dumps(old))
    for path, about in tables.cells(folder):
        path.write_text(json.dumps({**about, "losses": [2.0, 2.1, 2.0, 2.1] if about["losses"] else []}))
    text = "".join(Parsed(page.write(folder).read_text(encoding="utf-8")).words)
    assert "delia is above original" not in text and "DELIA answers in the format on 0 %" in text
    assert text.index("learnt nothing: its loss did not fall") < text.index("Cost of DELIA")


def test_what_is_no_study_is_refused(tmp_path):
    for text, sentence in [("{}", "not a study of this version"), ("{", "is not JSON")]:
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(UserError, match=sentence):
            page.write(tmp_path)


def test_answers_are_marked_and_one_where_methods_differ_comes_first(plain_html):
    part = plain_html[plain_html.index("Answers side by side") : plain_html.index("What can be said")]
    assert 'class="mark good">✓' in part and 'class="mark bad">✗' in part
    assert part.index("the methods differ") < part.index("the methods agree")


def test_bold_is_only_what_can_be_told_from_noise(plain):
    summary = tables.read_summary(plain)
    metric = summary["columns"][0]["metric"]
    rows = [row for row in summary["rows"] if row["metric"] == metric]
    low = {**summary, "columns": [{**summary["columns"][0], "lower_is_better": True}]}
    for told in (True, False):
        pairs = [{"a": "delia", "b": other, "metric": metric, "size": 5, "distinguishable": told}
                 for other in ("original", "common")]  # fmt: skip
        one = {**summary, "columns": summary["columns"][:1], "rows": rows, "comparisons": pairs}
        assert tables.best(one) == ({("delia", metric, 5)} if told else frozenset())
        assert ("delia", metric, 5) not in tables.best({**low, "comparisons": pairs})
    assert not tables.best({**one, "comparisons": pairs, "tests": {metric.split("/")[0]: {"testable": False}}})


def test_the_terminal_table_fits_80_columns_and_has_cost_and_ceilings(plain):
    summary = tables.read_summary(plain)
    test, measure = summary["columns"][0]["metric"].split("/")
    summary["tests"] = {
        test: {"testable": True, "ceiling": {measure: 0.97}},
        "negation": {"testable": False, "reason": "x"},
    }
    console = Console(width=80, record=True)
    with console.capture() as captured:
        console.print(tables.terminal(summary))
    text = captured.get()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.index(summary["headline"][:40]) < text.index("in plain words")
    for words in ("phrasings", "steps", "tokens", "secs", "97", "†: not testable", "Percent: the mean"):
        assert words in text
    assert "content" in text.rpartition("phrasings")[2].splitlines()[0]
    with (narrow := Console(width=74)).capture() as captured:
        narrow.print(tables.terminal(summary))
    table = captured.get().rpartition("phrasings")[2]
    assert "content" not in table and "steps tokens secs" in table  # nothing else is lost, and no number is cut
    assert all(len(line) <= 74 for line in table.splitlines()) and "…" not in table.partition("Percent")[0]


def test_the_last_lines_name_the_report_and_how_the_adapter_is_loaded(plain, tmp_path):
    folder = shutil.copytree(plain, tmp_path / "run")
    summary = tables.read_summary(folder)
    assert tables.ending(folder, summary, 12.3).splitlines() == [
        "Finished in 12 s.",
        "Model:   lab, the tiny model that ships with leaven",
        f"Report:  {folder}/report.html",
        f"Answers: leaven view {folder}",
    ]
    adapter = folder / "cells" / "delia-n5-s0" / "adapter"
    adapter.mkdir()
    assert f"Adapter: {adapter}\n" in (text := tables.ending(folder, summary, 12.3))
    assert f"leaven export-adapter {folder} " in text and "README.md" in text
    blank = folder.rename(tmp_path / "my run")
    assert f"leaven view '{blank}'\n" in (text := tables.ending(blank, summary, 12.3))  # what is typed is one word
    assert f"leaven export-adapter '{blank}' " in text


def test_the_markdown_table_has_every_seed_and_the_cost(plain):
    text = tables.markdown(tables.read_summary(plain))
    (line,) = [line for line in text.splitlines() if line.startswith("| delia |")]
    assert " · ".join(["60"] * 3) in line and "| 4 | 900 |" in line
    assert "| steps | tokens | secs |" in text


CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--no-first-run", "--disable-quic", "--disable-component-update", "--disable-sync"]  # fmt: skip


def in_a_browser(path, profile, *flags):
    """The page's elements as they are after its scripts have run."""
    command = [
        *CHROMIUM,
        f"--user-data-dir={profile}",
        "--virtual-time-budget=8000",
        *flags,
        "--dump-dom",
        path.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_on_a_phone_nothing_is_wider_than_the_screen(plain_html, tmp_path):
    script = "document.title = `${document.documentElement.scrollWidth} of ${window.innerWidth}`"
    before, end, after = plain_html.rpartition("</body>")  # Vega's script holds one too
    (tmp_path / "page.html").write_text(f"{before}<script>{script}</script>{end}{after}")
    dom = in_a_browser(tmp_path / "page.html", tmp_path / "profile", "--window-size=390,800")
    wide, screen = dom.partition("<title>")[2].partition("</title>")[0].split(" of ")
    assert int(wide) <= int(screen) <= 500


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_in_a_browser_nothing_runs_and_nothing_is_fetched(tmp_path):
    requests = []

    class Watch(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_error(404)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Watch)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    texts = [text.replace("PORT", str(server.server_port)) for text in HOSTILE]
    path = page.write(hostile_run(tmp_path, texts))
    dom = in_a_browser(path, tmp_path / "profile")
    server.shutdown()
    server.server_close()
    assert "<title>leaven report</title>" in dom
    assert not requests
    assert dom.count('class="vega-embed"') == 3


def test_swapped_states_are_drawn_block_by_block_and_left_out_where_none_were_measured():
    values = {"written/token": (1.0, 1.0), "word_for_token/0": (0.0, 1.0), "word_for_token/4": (0.0, 0.0)}
    rows = [("delia", 100, seed, f"swap/{name}", "", each[seed]) for name, each in values.items() for seed in (0, 1)]
    scores = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    drawn = charts.swaps(scores).to_dict()
    (points,) = drawn["datasets"].values()
    assert [(point["swap"], point["block"], point["value"]) for point in points] == [
        ("word for token", 0, 0.5), ("word for token", 4, 0.0)
    ]  # fmt: skip
    assert charts.swaps(scores.head(2)) is None


def test_methods_at_several_sizes_are_lines_of_their_own():
    cells = [{"method": "DELIA", "size": size, "seed": 0, "losses": [2.0, 1.0]} for size in (20, 100)]
    (points,) = charts.losses(cells).to_dict()["datasets"].values()
    assert [(point["method"], point["step"]) for point in points] == [
        (f"DELIA, n={size}", step) for size in (20, 100) for step in (1, 2)
    ]
    words = {"metric": "task/format", "heading": "format", "lower_is_better": False}
    rows = [
        {"method": method, "size": size, "metric": "task/format", "mean": 0.5, "low": None, "high": None,
         "by_seed": {"0": 0.5}}
        for method in ("Common", "DELIA") for size in (100, 20)
    ]  # fmt: skip
    summary = {"rows": rows, "headline_metrics": ["task/format"], "columns": [words], "methods": ["DELIA", "Common"]}
    (panel,) = charts.headline(summary).to_dict()["concat"]
    lines = ["DELIA, n=20", "Common, n=20", "DELIA, n=100", "Common, n=100"]
    assert panel["layer"][0]["encoding"]["y"]["sort"] == lines
    (one,) = charts.headline({**summary, "rows": rows[::2]}).to_dict()["concat"]
    assert one["layer"][0]["encoding"]["y"]["sort"] == ["DELIA", "Common"]
