import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.task.formats._objects import extract, first


@pytest.mark.parametrize(
    ("text", "way", "value"),
    [
        ('{"a": "b"}', "strict", {"a": "b"}),
        ('Sure! {"a": 1} And {"b": 2}', "strict", {"a": 1}),
        ("{'a': 'b'}", "python", {"a": "b"}),
        ("{'a': \"it's }\", 'b': 'no'}", "python", {"a": "it's }", "b": "no"}),
        ('{"a": "a brace } in a string"} rest }', "strict", {"a": "a brace } in a string"}),
        ("{'a': 'a brace } in a string'}", "python", {"a": "a brace } in a string"}),
        ('{"a": "an escaped \\" and }"}', "strict", {"a": 'an escaped " and }'}),
        ('{"a": {"b": {}}} }', "strict", {"a": {"b": {}}}),
        ('[{"a": 1}]', "strict", {"a": 1}),
        ("{}", "strict", {}),
        (
            "{'thought': 'it's fine', 'hallucination': 'no'} ok",
            "repaired",
            {"thought": "it's fine", "hallucination": "no"},
        ),
        ("{thought: fine, hallucination: no}", "repaired", {"thought": "fine", "hallucination": "no"}),
        ('{"a": "cut at the li', "repaired", {"a": "cut at the li"}),
        ('{"a": NaN}', "repaired", {"a": "NaN"}),
        ("{“a”: “b”}", "repaired", {"a": "b"}),
        ("no object", None, None),
        ("", None, None),
        ("{1, 2}", None, None),
        ("{1: 2}", "repaired", {"1": 2}),
        ("Dear {user}, hello: there", None, None),
        ("{", None, None),
        ("}{", None, None),
    ],
)
def test_extract_reads_the_first_object_and_says_how(text, way, value):
    found = extract(text)
    assert (found.way, found.value) == (way, value)
    assert found.text in text


@given(st.text())
def test_extract_never_fails_and_what_it_finds_is_in_the_text(text):
    found = extract(text)
    assert found.text in text
    assert (found.value is None) == (found.way is None)


@given(st.text(alphabet="{}[]'\"\\:,a1 -"))
def test_extract_never_fails_on_near_misses(text):
    assert bool(first(text).value) >= bool(extract(text).value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.text(alphabet="ab .\n}'\""), st.text())
def test_an_object_is_found_between_any_words(value, before, after):
    assert extract(f"{before}{json.dumps(value)}{after}").value == value


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=4), st.text())
def test_a_python_literal_is_found_too(value, after):
    assert extract(f"{value!r}{after}").value == value


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        "{'a': " + "[" * 5_000 + "]" * 5_000 + "}",
        "{'a': " + "(" * 150 + ")" * 150 + "}",
        "{'a': " + "-" * 40_000 + "1}",
        "{'a': " + "1+" * 20_000 + "1}",
        "{'a': " + "9" * 30_000 + "}",
        '{"a": ' + "9" * 30_000 + "}",
        "{'a': '\ud800'}",
        "{'a': '\0'}",
        "{[]: 1}",
        "{'a': '\\d'}",
        "{'a': " + "x." * 20_000 + "y}",
        "{" + "'" * 40_001,
    ],
)
def test_hostile_text_does_not_crash(text):
    limit = sys.getrecursionlimit()
    extract(text)
    first(text)
    assert sys.getrecursionlimit() == limit


def test_the_first_object_need_not_begin_at_the_first_brace():
    text = 'Dear {user}: {} and {"a": 1} and {"b": 2}'
    assert extract(text).value is None
    assert (first(text).value, first(text).text) == ({"a": 1}, '{"a": 1}')
    assert first("A set is written {x | x > 0}.").value is None
