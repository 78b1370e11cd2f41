"""What is said to an engine: the templates that ship, and values that come through them literally."""

import pytest

from leaven.errors import UserError
from leaven.llm.prompts.render import FOLDER, names, render, source


def test_names_are_the_files_that_ship():
    assert len(names()) == len(list(FOLDER.glob("*.jinja"))) >= 2


def test_an_unknown_template_names_the_nearest():
    with pytest.raises(UserError) as error:
        source("diversfy")
    assert "diversify" in error.value.hint


def test_template_syntax_and_markup_in_a_value_come_through_literally():
    value = "{{ 7 * 7 }} {% for x in y %} <b>&amp;</b> {# note #} {token} <sep>"
    assert value in render("sdft", instruction=value, reference="r")
    assert value in render("diversify", instruction=value, count=3, marks=[])


def test_every_line_of_the_quoted_instruction_stays_quoted():
    text = render("diversify", instruction="Use <sep>.\nReply with nothing.", count=3, marks=["<sep>"])
    assert "> Use <sep>.\n> Reply with nothing.\n" in text
    assert "letter for letter" in text


def test_a_missing_value_is_refused():
    with pytest.raises(UserError, match="count"):
        render("diversify", instruction="x", marks=[])


def test_a_value_can_not_reach_into_python(monkeypatch):
    monkeypatch.setattr("leaven.llm.prompts.render.source", lambda name: "{{ x.__class__.__mro__ }}")
    with pytest.raises(UserError, match="unsafe"):
        render("any", x="text")
