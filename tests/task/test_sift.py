import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.task.sift import Rules, alike, fault, marks, read_phrasings

RULES = Rules("<sep>")
UNIT = "Tell {name} about it in the <sep> format."


def why(text, unit=UNIT, others=(), answers=(), rules=RULES):
    return fault(unit, text, rules, others, answers)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("Ask {name} now", "{name}"),
        ("Ask {{ name }} now", "{{ name }}"),
        ("Ask ${name} now", "${name}"),
        ("Ask {} now", "{}"),
        ("Ask %(name)s now", "%(name)s"),
        ("Ask %s now", "%s"),
        ("End with <|im_end|> now", "<|im_end|>"),
        ("Fill [INPUT_1] now", "[INPUT_1]"),
    ],
)
def test_placeholders_of_every_kind_are_seen(text, mark):
    assert marks(text) == [mark]


def test_text_without_placeholders_has_none():
    assert marks("It is 5 < 6 [maybe] and 40% of {all things}") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("In <sep>, {name} should hear of it.", ""),
        ("With <sep> told, {name} hears it in <sep>.", ""),
        ("", "empty"),
        ("In SEP, {name} should hear of it.", "the token is missing"),
        ("In <sep>, {Name} should hear of it.", "other placeholders"),
        ("In <sep>, {name} and {name} should hear of it.", "other placeholders"),
        ("In <sep>, Anna should hear of it.", "other placeholders"),
        ("tell {name} about it, in the <sep> format", "duplicate"),
        ("Tell {name} about that in the <sep> format.", "near duplicate"),
        ("In <sep> {name} " + "very " * 60, "too long"),
        ("Some ways with {name} and <sep>:", "not an instruction"),
        ("In <sep>.\nTell {name}.", "not an instruction"),
        ('{"text": "In <sep> for {name}"}', "not an instruction"),
        ("Sure, I tell {name} in <sep>!", "an answer"),
        ("I'm sorry, {name} has no <sep>.", "an answer"),
        ("{name} was told in <sep> yesterday.", "an answer"),
    ],
)
def test_each_fault_has_its_reason(text, reason):
    assert why(text, answers=["{name} was told in <sep> yesterday", "", "yes"]) == reason


def test_a_phrasing_is_compared_with_those_before_it():
    text = "In <sep>, {name} should hear of it."
    assert why("In <sep>, {name} should hear of this.", others=[text]) == "near duplicate"
    assert why("In <sep>, {name} should hear of this.", others=[text], rules=Rules("<sep>", near=0.99)) == ""


def test_shape_of_the_instruction_itself_is_no_fault():
    assert why("Reply now:", unit="Answer this:", rules=Rules()) == ""
    assert why("Reply.\nBe kind.", unit="Answer.\nWith kindness.", rules=Rules()) == ""
    assert why("{name} replies to it.", unit="Let {name} answer.", rules=Rules()) == ""


@given(st.text(max_size=30), st.text(max_size=30))
def test_likeness_is_a_share_and_whole_only_for_equals(first, second):
    assert alike(first, first) == 1
    assert 0 <= alike(first, second) <= 1


@pytest.mark.parametrize("reply", ["", "\n", "```\n```"])
def test_an_empty_reply_holds_nothing(reply):
    assert read_phrasings(reply) == []
