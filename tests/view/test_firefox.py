"""A folder that was sent opens from disk in Firefox too: all of its parts, its filters, its keys, and no fetch."""

import pytest
from tests.view.firefox import Page, needed
from tests.view.runs import OBJECT, study
from tests.view.test_rows import lift

from leaven.view import bundle

__all__ = ["lift"]
pytestmark = [pytest.mark.slow, needed]


@pytest.fixture
def page(tmp_path):
    page = Page(tmp_path / "profile")
    yield page
    page.close()


def shown(page, address):
    """Go to a part of the page, by its address."""
    page.run(f"location.assign({address!r})")
    page.until(f"document.getElementById('view')?.dataset.address === {address!r}")


def test_a_study_opens_from_disk_and_is_filtered(page, tmp_path):
    texts = {"original": {0: ["no"] * 30}, "delia": {0: [OBJECT] * 28 + ["<b>no</b>", "Sorry 🙂"]}}
    url = bundle.write(study(tmp_path / "run", texts), tmp_path / "page").as_uri()
    page.open(url)
    assert "With 5 examples the model answers in your format 93 times of 100" in page.run("document.body.innerText")
    page.run("document.querySelector('tr.main td a').click()")
    page.until("document.querySelectorAll('article.card').length === 2")
    assert "<b>no</b>" in page.run("document.getElementById('main').textContent")
    page.press("/")
    assert page.run("document.activeElement.id") == "search"
    page.press("y")
    page.until("location.hash.includes('search=y')")
    shown(page, "#answers?show=worse")
    shown(page, "#live")
    folder = url.rsplit("/", 1)[0]
    assert page.said == []
    assert [one for one in page.asked if not one.startswith((folder, "about:", "data:"))] == []


def test_a_lift_opens_from_disk_with_its_rows_and_its_map(page, lift, tmp_path):
    page.open(bundle.write(lift, tmp_path / "page").as_uri())
    shown(page, "#rows?stage=variety")
    page.until("document.querySelectorAll('ul.rows li').length > 3")
    page.run("document.querySelector('ul.rows a').click()")
    page.until("document.querySelector('h1')?.innerText.includes('dropped by variety')")
    shown(page, "#map?box=0,0,100,100")
    page.until("document.querySelector('.gap')?.innerText.includes('rows are marked')")
    assert page.said == []
