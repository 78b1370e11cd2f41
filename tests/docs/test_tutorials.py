"""What a tutorial shows is what happens: each page's blocks of bash and Python are run, in order, in one folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """(language, text) of each block of a page that is run."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def command(language, text):
    """How a block is run; of bash the first line that fails ends it."""
    return ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-c", text]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_says(page, tmp_path):
    (tmp_path / "docs").symlink_to(DOCS)  # a page may stand in a checkout, and read the scores that are committed
    for language, text in blocks(page):
        done = subprocess.run(command(language, text), cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def test_every_page_has_blocks_that_are_run_and_one_that_fails_would_say_so(tmp_path):
    assert len(PAGES) == 5 and all(blocks(page) for page in PAGES)
    assert subprocess.run(command("bash", "false\ntrue"), cwd=tmp_path, check=False).returncode != 0
