"""The page in a real Chromium: by mouse and by keys, from disk and served, with hostile rows and on a phone."""

import contextlib
import json
import time

import pytest
from tests.view.chromium import Page, needed, served
from tests.view.runs import OBJECT, study
from tests.view.test_rows import lift

from leaven.runs import folder as runs
from leaven.view import bundle

__all__ = ["lift"]
pytestmark = [pytest.mark.slow, needed]

HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "</script><img src=x onerror=\"document.title = 'owned'\"><iframe src='http://127.0.0.1:9/frame'></iframe>",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} \u2028 \u2029 \u202e mirrored \u202c",
    "a" * 100_000,
    "👩‍👩‍👧‍👦 🙂 عربى שלום " + OBJECT,
    "javascript:document.title='owned'",
]


@contextlib.contextmanager
def shown(url, profile, **size):
    page = Page(profile, **size)
    try:
        page.open(url)
        yield page
        assert page.said == []
    finally:
        page.close()


def click(page, words):
    """Click the first link or button that says these words."""
    link = f"[...document.querySelectorAll('a, button, summary')].find((one) => one.innerText.includes({words!r}))"
    page.until(f"{link} !== undefined")
    page.run(f"{link}.click()")


def seen(page, url):
    """The questions of an address and the counts of its filters."""
    page.run(f"location.assign({url!r})")
    page.until(f"document.getElementById('view')?.dataset.address === {'#' + url.partition('#')[2]!r}")
    return items(page), page.run("[...document.querySelectorAll('.chips b')].map((one) => one.innerText)")


def items(page):
    return page.run("[...document.querySelectorAll('article.card > pre')].map((one) => one.textContent)")


@pytest.fixture
def run(tmp_path):
    texts = {"original": {0: ["no"] * 30, 1: ["no"] * 30},
             "delia": {0: [OBJECT] * 28 + ["no", "Sorry 🙂"], 1: [OBJECT] * 30}}  # fmt: skip
    return study(tmp_path / "run", texts)


@pytest.mark.parametrize("how", ["from disk", "served"])
def test_what_delia_got_wrong_is_there_with_one_click_on_its_figure(run, tmp_path, how):
    with contextlib.ExitStack() as stack:
        url = bundle.write(run, tmp_path / "page").as_uri() if how == "from disk" else stack.enter_context(served(run))
        page = stack.enter_context(shown(url, tmp_path / "profile"))
        page.run("document.querySelector('tr.main td a').click()")
        page.until("document.querySelectorAll('article.card').length === 2")
        text = page.run("document.getElementById('main').textContent")
        assert "is not right 2" in text and "✗ in the format" in text and "Sorry 🙂" in text
        page.until("document.querySelector('.gap').innerText.includes('95 % interval')")
        assert "+96.7 points" in page.text() and "does not count for it" in page.text()
        # The state is the address: whoever is sent it sees the same, and back goes back.
        assert "show=wrong" in page.run("location.hash")
        page.run("history.back()")
        page.until("document.querySelector('.view.report') !== null")
        loaded = [one for one in page.asked if not one.startswith(url.rsplit("/", 1)[0])]
        assert loaded == []


def test_a_folder_and_a_server_show_the_same(run, tmp_path):
    asked = ["#answers", "#answers?show=worse", "#answers?search=sorry", "#answers?phrasing=Use+the+%3Csep%3E+format.",
             "#answers?page=1", "#answers?show=wrong&b=original&a=delia"]  # fmt: skip
    root = bundle.write(run, tmp_path / "page").as_uri()
    with served(run) as url, shown(url, tmp_path / "1") as there, shown(root, tmp_path / "2") as disk:
        for address in asked:
            assert seen(there, url + address) == seen(disk, root + address), address


def test_every_control_of_the_answers_is_used_by_keys(run, tmp_path):
    with served(run) as url, shown(f"{url}#answers", tmp_path / "profile") as page:
        page.press("/")
        assert page.run("document.activeElement.id") == "search"
        page.call("Input.insertText", text="question 7?")
        page.until("document.querySelectorAll('article.card').length === 1")
        assert page.run("document.activeElement.id") == "search"  # drawn anew, and still typing there
        page.run("document.activeElement.select()")
        page.call("Input.insertText", text="")
        page.press("Tab")
        assert page.run("document.activeElement.getAttribute('aria-pressed')") == "true"
        page.press("Tab", 3)
        page.press("Enter")
        page.until("location.hash.includes('show=better')")
        page.until("document.querySelector('[aria-pressed=true]').innerText.includes('better')")
        page.run("document.querySelector('select').focus()")
        page.press("Tab")
        page.press("ArrowDown")
        page.until("location.hash.includes('measure=value')")


def test_hostile_rows_are_text_and_nothing_runs_or_is_fetched(tmp_path):
    run = study(tmp_path / "run", {"original": {0: ["no"] * 6}, "delia": {0: HOSTILE}}, prompts=HOSTILE)
    with served(run) as url, shown(f"{url}#answers", tmp_path / "profile") as page:
        page.until("document.querySelectorAll('article.card').length === 6")
        assert page.run("document.title") == "run – Answers"
        text = page.run("document.getElementById('main').textContent")
        for words in HOSTILE:
            assert words[:4_000] in text
        assert "96,000 more characters" in text and OBJECT in page.run("document.querySelector('mark').textContent")
        assert page.run("document.querySelectorAll('iframe, img').length") == 0
        assert all(one.startswith(url) for one in page.asked)
        # What would run if a row ever became a script is stopped by the policy too.
        page.run("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))")
        assert page.run("document.title") == "run – Answers"
        assert any("Content Security Policy" in one for one in page.said)
        page.said.clear()


@pytest.mark.parametrize("view", ["report", "answers", "live"])
def test_on_a_phone_nothing_is_wider_than_the_screen(run, tmp_path, view):
    with served(run) as url, shown(f"{url}#{view}", tmp_path / "profile", width=390, height=800) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=2, mobile=True)
        page.until("document.querySelector('#view > *') !== null")
        assert page.run("document.documentElement.scrollWidth") <= 390


def test_a_row_of_a_lift_tells_its_story_and_thresholds_decide_again(lift, tmp_path):
    with served(lift) as url, shown(f"{url}#rows?stage=variety", tmp_path / "profile") as page:
        page.until("document.querySelectorAll('ul.rows li').length > 3")
        click(page, "variety: not varied enough")
        page.until("document.querySelector('h1')?.innerText.includes('dropped by variety')")
        assert "nearest to it" in page.text()
        click(page, "all rows")
        click(page, "Other thresholds")
        page.run("document.querySelector('.slider input').focus()")
        page.press("ArrowRight")
        page.until("document.querySelector('.decision')?.innerText.includes('would be kept')")
        assert "leaven lift --from" in page.text() and "11 rows would be kept, now 10" in page.text()


@pytest.mark.parametrize("how", ["from disk", "served"])
def test_what_models_say_as_they_learn_is_a_grid_of_the_cell_that_is_chosen(run, tmp_path, how):
    for seed, text in ((0, "hm"), (1, OBJECT)):
        said = [{"test": "unseen_phrasing", "item": "item0", "prompt": HOSTILE[1], "answer": text}]
        line = json.dumps({"stage": 1, "step": 2, "steps": 3, "answers": said})
        (run / "cells" / f"delia-n5-s{seed}" / "watch.jsonl").write_text(line + "\n")
    with contextlib.ExitStack() as stack:
        url = bundle.write(run, tmp_path / "page").as_uri() if how == "from disk" else stack.enter_context(served(run))
        page = stack.enter_context(shown(f"{url}#live", tmp_path / "profile"))
        texts = "[...document.querySelectorAll('.grid td pre')].map((one) => one.textContent)"
        assert page.run(texts) == ["no", "hm", OBJECT]
        assert HOSTILE[1] in page.run("document.querySelector('.grid th pre').textContent")
        page.run("document.querySelector('.view select').focus()")
        page.press("ArrowDown")
        page.until("location.hash.includes('cell=delia-n5-s1')")
        page.until(f"{texts}[1] === {OBJECT!r}")
        assert page.run("document.querySelectorAll('.grid mark').length") == 2


def test_a_run_that_goes_on_is_drawn_anew(run, tmp_path):
    (run / "DONE").unlink()
    (run / "summary.json").unlink()
    with served(run) as url, shown(f"{url}#live", tmp_path / "profile") as page:
        assert "of 4 cells are done" in page.text()
        with (run / "log.jsonl").open("a") as file:
            file.write('{"time": 1, "event": "cell", "name": "delia-n5-s0", "seconds": 4.0}\n')
        page.until("document.body.innerText.includes('1 of 4 cells are done')")
        work = {"what": "tuning delia", "done": 30, "total": 90, "unit": "steps", "note": "loss 0.4", "tokens": 9000}
        (run / "progress.json").write_text(json.dumps({**work, "seconds": 10, "time": time.time()}))
        page.until("document.querySelector('.now p') !== null")
        said = "30 of 90 steps · 3.0 steps a second · 900 tokens a second · about 20 s left · loss 0.4"
        assert page.run("document.querySelector('.now p').textContent") == said
        asked = {"engine": "openai:m", "calls": 9, "failed": 0, "saved": 0, "prompt_tokens": 5, "completion_tokens": 5}
        runs.log(run, "calls", stage="evolve", cost=0.25, max_cost=1.0, **asked)
        runs.log(run, "calls", stage="quality", cost=0.5, max_cost=0.75, **asked)  # what evolve has left of it
        page.until("document.body.innerText.includes('$0.75 so far. After quality $0.25 of this command')")


@pytest.mark.parametrize("how", ["from disk", "served"])
def test_rows_are_marked_in_the_map_by_mouse_and_by_keys_and_exported(lift, tmp_path, how):
    with contextlib.ExitStack() as stack:
        url = (
            bundle.write(lift, tmp_path / "page").as_uri() if how == "from disk" else stack.enter_context(served(lift))
        )
        page = stack.enter_context(shown(f"{url}#map", tmp_path / "profile"))
        page.until("document.querySelectorAll('circle').length > 20")
        drawn = page.run("document.querySelectorAll('circle').length")
        page.run("document.getElementById('map').scrollIntoView({block: 'center'})")
        area = page.run("""(({x, y, width, height}) => [x, y, width, height])(
            document.getElementById('map').getBoundingClientRect())""")
        for kind, share in (("mousePressed", 0.006), ("mouseMoved", 0.5), ("mouseReleased", 0.994)):
            page.call("Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1,
                      x=area[0] + share * area[2], y=area[1] + share * area[3])  # fmt: skip
        page.until(f"document.querySelector('.gap')?.innerText.startsWith('{drawn} rows are marked')")
        assert "box=" in page.run("location.hash")  # and so it can be sent
        page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        click(page, "as JSONL")
        page.until("document.getElementById('announcement').textContent.includes('marked.jsonl')")
        file = waited_for(tmp_path / "marked.jsonl")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert len(lines) == drawn and {line["verdict"] for line in lines} == {"kept", "dropped"}
        click(page, "Mark nothing")
        page.until("document.querySelector('.gap') === null")
        page.run("document.getElementById('map').focus()")
        page.press("ArrowRight")
        page.until("location.hash.includes('42%2C40%2C62%2C60')")
        page.press("ArrowUp", shift=True)
        page.until("location.hash.includes('42%2C40%2C62%2C62')")
        assert page.run("document.activeElement.id") == "map"


def waited_for(path):
    """A file that a browser is writing, once it is there."""
    for _ in range(200):
        if path.is_file() and path.stat().st_size:
            return path
        time.sleep(0.05)
    pytest.fail(f"{path} never came")
