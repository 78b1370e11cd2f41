"""Languages and personal data: what is told from what, and what stays since nobody can tell."""

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from leaven.lift.selectors import language, pii

ENGLISH = "Describe how a candle is made, and say which wax burns longest in the evening."
GERMAN = "Beschreibe, wie eine Kerze entsteht, und welches Wachs am Abend am laengsten brennt."
FRENCH = "Explique comment on fabrique une bougie, et quelle cire dure le plus longtemps le soir."


def test_rows_in_another_language_go_and_short_ones_stay(rows, context, select):
    data = rows((ENGLISH, "Beeswax."), (GERMAN, "Bienenwachs."), (FRENCH, "La cire d'abeille."), ("Wachs?", "Ja."))
    found = select(language, data, language.Config(), context())
    assert found.positions == (0, 3)
    assert [drop.detail[:2] for drop in found.dropped] == ["de", "fr"]
    assert select(language, data, language.Config(only=("de", "fr")), context()).positions == (1, 2, 3)


@pytest.mark.parametrize(("code", "meant"), [("EN", "en"), ("eng", "en")])
def test_a_code_of_no_language_is_said_and_drops_no_row(code, meant):
    with pytest.raises(ValidationError, match=rf"no language is called '{code}'. Did you mean '{meant}'?"):
        language.Config(only=(code,))


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ("Write to jane.doe@example.com about it.", ["email"]),
        ("Call +1 (212) 555-0187 before noon.", ["phone"]),
        ("The card is 4111 1111 1111 1111.", ["card"]),
        ("The card is 4111 1111 1111 1112.", []),  # its check digit is wrong
        ("Pay to DE89370400440532013000 today.", ["iban"]),
        ("In 1999 some 2,500 items were sold at 12:30, for 4.50 each.", []),
        ("def add(a, b): return a + b  # version 3.11.7", []),
    ],
)
def test_personal_data_are_told_by_their_form_and_check_digits(said, kinds):
    assert pii.matches(said, pii.Config().kinds) == kinds


def test_rows_with_personal_data_go_and_nothing_of_it_stands_in_the_reason(rows, context, select):
    data = rows(("Who are you?", "jane.doe@example.com"), ("Who?", "Nobody."))
    found = select(pii, data, pii.Config(), context())
    assert found.positions == (1,)
    assert (found.dropped[0].reason, found.dropped[0].detail) == ("holds personal data", "email")


def test_patterns_are_loaded_before_the_first_row_is_waited_for(rows, context, select, monkeypatch):
    order, strings = [], pii.texts.strings
    monkeypatch.setattr(pii, "recognizer", lambda kind: order.append(kind) or SimpleNamespace(
        supported_entities=(), analyze=lambda *_: ()))  # fmt: skip
    monkeypatch.setattr(pii.texts, "strings", lambda data: order.append("rows") or strings(data))
    select(pii, rows((ENGLISH, "Beeswax.")), pii.Config(kinds=("email", "ip")), context())
    assert order[:3] == ["email", "ip", "rows"]
