"""Whoever reads the page by ear, by keys or in the dark reads all of it: axe-core finds no serious fault.

axe.min.js.gz is axe-core 4.14.1 (https://github.com/dequelabs/axe-core), as npm has it, under MPL-2.0 (axe.LICENSE); it
is no part of the package.
"""

import gzip
import json
from pathlib import Path

import pytest
from tests.view.chromium import Page, needed, served
from tests.view.runs import OBJECT, study
from tests.view.test_rows import lift

__all__ = ["lift"]
pytestmark = [pytest.mark.slow, needed]

AXE = gzip.decompress(Path(__file__).with_name("axe.min.js.gz").read_bytes()).decode()
FAULTS = """axe.run(document).then((told) => told.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html).join(" ")}`))"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    texts = {"original": {0: ["no"] * 30, 1: ["no"] * 30},
             "delia": {0: [OBJECT] * 28 + ["no", "Sorry 🙂"], 1: [OBJECT] * 30}}  # fmt: skip
    folder = study(tmp_path_factory.mktemp("study") / "run", texts)
    said = [{"test": "unseen_phrasing", "item": "item0", "prompt": "Question 0?", "answer": OBJECT}]
    line = json.dumps({"stage": 1, "step": 1, "steps": 3, "answers": said})
    (folder / "cells" / "delia-n5-s0" / "watch.jsonl").write_text(line)
    return folder


def faults(page, scheme):
    """What axe finds in a page that is open, in a colour scheme."""
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.run(f"{AXE}; 1")
    return page.run(FAULTS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_on_any_page(run, lift, tmp_path, scheme):
    page = Page(tmp_path / "profile")
    told = {}
    try:
        for folder, views in ((run, ("report", "answers?show=wrong", "live")),
                              (lift, ("report", "rows", "rows?row=3", "map?box=20,20,80,80", "live"))):  # fmt: skip
            with served(folder) as url:
                page.open(url)
                for view in views:
                    page.run(f"location.assign('#{view}')")
                    page.until(f"document.getElementById('view')?.dataset.address === '#{view}'")
                    told[folder.parent.name, view] = faults(page, scheme)
    finally:
        page.close()
    assert not {view: found for view, found in told.items() if found}


def test_axe_finds_a_fault_where_there_is_one(run, tmp_path):
    page = Page(tmp_path / "profile")
    try:
        with served(run) as url:
            page.open(url)
            page.run("document.getElementById('main').append(document.createElement('button'))")
            (found,) = faults(page, "light")
            assert found.startswith("button-name")
    finally:
        page.close()
