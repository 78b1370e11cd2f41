"""The commands that pages print are commands: each `leaven …` of the README and the docs is parsed, and none is run."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from leaven.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
COMMAND = re.compile(r"^ {4}(leaven [a-z-]+ (?:[^\n]*\\\n)*[^\n]+)$|`(leaven [a-z-]+ [^`]+)`", re.MULTILINE)
SELECTOR = '''"""A selector of the user's own, as pages name one."""

from leaven.lift.selection import Size as Config

NEEDS = ()


def score(data, config, context):
    """Nothing is measured."""


def choose(data, scores, config, context):
    """Nothing is chosen."""
'''
ENDS = re.compile(r" {2,}|#| \||;| > | && ")
"""What follows a command on its line: a remark, another command."""


def commands(page):
    """The words of each command that a page shows as one."""
    for in_block, in_line in COMMAND.findall(page.read_text(encoding="utf-8")):
        text = re.sub(r"\\\n\s*|\n", " ", in_block or in_line)
        words = shlex.split(ENDS.split(text)[0].replace("…", ""))[1:]
        if "NAME" not in words:  # it stands for a plug, and the flags for those of any
            yield words


def parse(words):
    """Raises a TyperException for a command that is none, and for a flag that it does not have.

    A page may leave out what the sentence around it says, as in `leaven delia --explain`.
    """
    command, name = get_command(app), "leaven"
    while isinstance(command, TyperGroup) and words:
        name, command, words = command.resolve_command(
            command.make_context(name, [], resilient_parsing=True), list(words)
        )
    try:
        command.make_context(name, list(words))
    except typer.Exit:  # of --help
        return
    except TyperException as error:
        if type(error).__name__ not in ("MissingParameter", "BadOptionUsage"):
            raise


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_can_be_typed(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SELECTOR)
    for words in commands(page):
        try:
            parse(words)
        except TyperException as error:
            pytest.fail(f"leaven {shlex.join(words)}: {error}")


def test_commands_are_seen_and_a_wrong_one_is_refused():
    assert sum(len(list(commands(page))) for page in PAGES) > 60
    with pytest.raises(TyperException, match="--modle"):
        parse(["delia", "task.jsonl", "--modle", "lab"])
