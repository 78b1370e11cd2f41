"""The list of all commands needs none of their files, whatever the words of the process are."""

import sys

import pytest
from typer.main import get_command

from leaven.cli import main
from leaven.cli.main import app


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["--help", "lift"]])
def test_the_list_loads_no_command(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pytest", "lift", "data.jsonl"])
    monkeypatch.setattr(main, "import_module", lambda name: pytest.fail(f"{name} was loaded"))
    with pytest.raises(SystemExit):
        get_command(app).main(words)
    shown = capsys.readouterr().out
    assert all(name in shown for name in main.COMMANDS)


def test_a_command_is_loaded_when_its_own_help_is_wanted(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pytest"])
    get_command(app).main(["convert", "--help"], standalone_mode=False)
    assert "--columns" in capsys.readouterr().out
