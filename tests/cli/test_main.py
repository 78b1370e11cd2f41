"""The list of all commands needs none of their files, whatever the words of the process are."""

import os
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


def test_threads_that_wait_for_others_sleep_soon_unless_the_user_says_otherwise(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["leaven", "--help"])
    for own, spins in ("7", "7"), ("", main.SPINS):
        monkeypatch.setenv("GOMP_SPINCOUNT", own)
        if not own:
            monkeypatch.delenv("GOMP_SPINCOUNT")
        with pytest.raises(SystemExit):
            main.run()
        assert os.environ["GOMP_SPINCOUNT"] == spins


def test_no_name_of_a_flag_is_cut_where_the_terminal_is_narrow(leaven):
    wide, narrow = (leaven("delia", "--help-all", COLUMNS=columns).out for columns in ("200", "80"))
    folded = "".join(line[2:28].strip() for line in narrow.splitlines())
    assert "--gradient-accumulation-steps" in wide and "--gradient-accumulation-steps" in folded


def test_the_help_of_delia_is_what_most_need_and_help_all_the_rest(leaven):
    few, every = (leaven("delia", word, COLUMNS="200").out for word in ("--help", "--help-all"))
    for flag in ("--ratio", "--token", "--out"):
        assert flag in few and flag in every
    for flag in ("--learning-rate", "--max-cost", "--top-p", "--on"):
        assert f" {flag} " in every and f" {flag} " not in few.partition("Example: ")[0]
    assert "--help-all" in few and len(few.splitlines()) < 70
    assert leaven("delia", "task.jsonl", "--model", "lab", "--top-p", "2").err.startswith(
        "Error: the command line: 1 fault"
    )


def test_the_version_and_what_can_be_listed_are_there_to_be_asked_for(leaven):
    assert leaven("--version").out.startswith("leaven 0.")
    assert "leaven ls methods\nleaven ls metrics\n" in leaven("ls").out


def test_the_story_of_a_study_is_looked_for_where_it_is(leaven, tmp_path):
    (tmp_path / "run" / "cells").mkdir(parents=True)
    said = leaven("why", "run", "3")
    assert (said.code, said.err) == (2, "Error: run is a study, and no lift\nLook at it: leaven view run\n")


def test_a_command_that_is_stopped_before_its_work_says_so_too(leaven, monkeypatch):
    def stopped(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "import_module", stopped)
    said = leaven("ls")
    assert (said.code, said.err) == (130, "Stopped.\n")


def test_a_step_is_shown_in_the_help_by_its_name(leaven):
    assert "[default: (quality)]" in leaven("lift", "--help").out
