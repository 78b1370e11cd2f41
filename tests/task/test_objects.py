import json
import math
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair
from leaven.task import objects
from leaven.task.objects import contains, extract, macro_f1, target_kind
from leaven.task.settings import EvaluateSection

CONFIG = EvaluateSection()
HERE = Origin("test")


def rows(*references):
    """A dataset whose rows have these references; None leaves the row bare."""
    examples = []
    for number, reference in enumerate(references):
        question = f"Question {number}?"
        bare = Example((Message("user", question),), HERE)
        examples.append(bare if reference is None else pair(question, reference, HERE))
    return Dataset.of(examples)


def table(answers, references, config=CONFIG):
    """{metric: values in the order of the rows}."""
    values = {}
    for measure in objects.measures(answers, rows(*references), config):
        values.setdefault(measure.metric, []).append(measure.value)
    return values


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
    assert contains(text) >= bool(extract(text).value)


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
    contains(text)
    assert sys.getrecursionlimit() == limit


def test_contains_looks_beyond_the_first_brace():
    text = 'Dear {user}: {"a": 1}'
    assert extract(text).value is None
    assert contains(text)
    assert not contains("A set is written {x | x > 0}.")


def test_target_kind_tells_python_literals_from_json():
    literal, strict = "{'thought': 'x', 'hallucination': 'no'}", '{"thought": "x"}'
    assert target_kind(rows(literal, literal, strict)) == "python"
    assert target_kind(rows(strict, strict, literal)) == "json"
    assert target_kind(rows("no", "yes", strict)) == "text"
    assert target_kind(rows()) == target_kind(rows(None)) == "text"


def test_measures_tell_each_fault_apart():
    reference = '{"thought": "x", "hallucination": "no"}'
    answers = [
        reference,
        "{'thought': 'y', 'hallucination': 'no'}",
        "{thought: y, hallucination: yes}",
        '{"hallucination": "no"}',
        '{"thought": "y", "hallucination": "maybe"}',
        "no",
    ]
    found = table(answers, [reference] * 6)
    assert found["json"] == [1, 1, 1, 1, 1, 0]
    assert found["strict"] == [1, 0, 0, 1, 1, 0]
    assert found["python"] == [0, 1, 0, 0, 0, 0]
    assert found["repaired"] == [0, 0, 1, 0, 0, 0]
    assert found["schema"] == [1, 1, 1, 0, 0, 0]
    assert found["label_accuracy"] == [1, 1, 0, 1, 0, 0]
    assert found["exact"] == [1, 0, 0, 0, 0, 0]
    assert len(found["macro_f1"]) == 1


@pytest.mark.parametrize("reference", ['{"hallucination": "no"}', "{'hallucination': 'no'}", "no", " No\n"])
def test_the_reference_may_be_json_a_python_literal_or_a_bare_label(reference):
    assert table(["{'hallucination': 'no'}", "{'hallucination': 'yes'}"], [reference] * 2)["label_accuracy"] == [1, 0]


def test_without_a_reference_nothing_is_compared_with_it():
    found = table(['{"thought": "x", "hallucination": "no"}', "no"], [None, "free text"])
    assert found["schema"] == [1, 0]
    assert all(math.isnan(value) for value in found["label_accuracy"] + found["macro_f1"])
    assert math.isnan(found["exact"][0])
    assert found["exact"][1] == 0


def test_rows_and_answers_are_matched_one_to_one():
    with pytest.raises(ValueError, match="zip"):
        table(["a"], ["a", "b"])


def test_the_reading_of_answers_can_be_configured():
    config = EvaluateSection(keys=("verdict",), label_key="verdict", labels=("good", "bad"))
    found = table(['{"verdict": "good"}'], ["good"], config)
    assert found["schema"] == found["label_accuracy"] == found["macro_f1"] == [1]


def test_macro_f1_is_that_of_scikit_learn():
    rng = random.Random(0)
    labels = ("yes", "no", "maybe")
    for size in (1, 2, 5, 40):
        pairs = [(rng.choice(labels), rng.choice([*labels, None, "other"])) for _ in range(size)]
        expected, given_ = [label for label, _ in pairs], [str(label) for _, label in pairs]
        present = [label for label in labels if label in expected or label in given_]
        slow = f1_score(expected, given_, labels=present, average="macro", zero_division=0)
        assert macro_f1(pairs, labels) == pytest.approx(slow)


def test_macro_f1_by_hand():
    # yes: 1 right, 1 expected, 2 given -> 2/3; no: 1 right, 2 expected, 1 given -> 2/3; unread: counts against "no"
    assert macro_f1([("yes", "yes"), ("no", "yes"), ("no", "no")], ("yes", "no")) == pytest.approx(2 / 3)
    assert macro_f1([("no", None)], ("yes", "no")) == 0
    assert math.isnan(macro_f1([], ("yes", "no")))
