import math

import pytest

from leaven import plugs
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair
from leaven.task.settings import EvaluateSection

CONFIG = EvaluateSection()
HERE = Origin("test")
NAMES = [
    "general",
    "json_format",
    "negation",
    "robustness",
    "soft_prompt",
    "transfer",
    "translation",
    "unseen_phrasing",
]


def table(name, triples):
    """{metric: values} of (question, reference or None, answer) triples."""
    examples = [
        Example((Message("user", q),), HERE) if reference is None else pair(q, reference, HERE)
        for q, reference, _ in triples
    ]
    values = {}
    for measure in plugs.load("metrics", name).score([answer for *_, answer in triples], Dataset.of(examples), CONFIG):
        values.setdefault(measure.metric, []).append(measure.value)
    return values


def test_all_test_sets_are_here():
    assert plugs.names("metrics") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_plug_has_a_headline_that_it_yields(name):
    plug = plugs.load("metrics", name)
    assert plugs.summary(plug).endswith(".") or plugs.summary(plug).endswith(")")
    assert isinstance(plug.HIGHER_IS_BETTER, bool)
    assert plug.HEADLINE in table(name, [("Q?", "A", "A")])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("robustness", "soft_prompt")])
def test_every_row_has_a_value_of_every_metric_under_its_own_id(name):
    data = Dataset.of([pair("a?", "b", HERE), pair("c?", "d", HERE)])
    measures = list(plugs.load("metrics", name).score(["b", "x"], data, CONFIG))
    of_rows = [(m.metric, m.item) for m in measures if m.item]
    assert len(set(of_rows)) == len(of_rows) == 2 * len({metric for metric, _ in of_rows})
    assert {item for _, item in of_rows} == {example.id for example in data}


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_are_no_failure(name):
    assert all(math.isnan(m.value) for m in plugs.load("metrics", name).score([], Dataset.of([]), CONFIG))


def test_unseen_phrasing_scores_as_json_format_does():
    triples = [
        ("Q?", '{"thought": "", "hallucination": "no"}', "{'thought': '', 'hallucination': 'no'}"),
        ("R?", "yes", ""),
    ]
    assert str(table("unseen_phrasing", triples)) == str(table("json_format", triples))


def test_negation_is_obeyed_by_an_answer_without_an_object():
    answers = ["There is none.", '{"a": 1}', "{a: 1}", "Well {so}: {'a': 1}", "", "  \n", "The set {x | x > 0}."]
    found = table("negation", [("Do not use <sep>.", None, answer) for answer in answers])
    assert found["obeyed"] == [1, 0, 0, 0, 0, 0, 1]
    assert all(math.isnan(value) for value in found["exact"])


def test_negation_compares_with_a_reference():
    assert table("negation", [("Q?", "It is red.", "It is red. "), ("Q?", "It is red.", "It is blue.")])["exact"] == [
        1,
        0,
    ]


def test_transfer_wants_the_first_key():
    answers = ['{"thought": "x", "answer": "Lima"}', "{'thought': 'x'}", '{"answer": "Lima"}', "Lima"]
    found = table("transfer", [("Q? <sep>", answers[0], answer) for answer in answers])
    assert found["json"] == [1, 1, 1, 0]
    assert found["strict"] == [1, 0, 1, 0]
    assert found["keys"] == [1, 1, 0, 0]
    assert found["exact"] == [1, 0, 0, 0]


def test_general_compares_but_for_white_space():
    found = table(
        "general", [("Q?", "It is red.", "It  is\nred. "), ("Q?", "It is red.", "it is red."), ("Q?", None, "x")]
    )
    assert found["exact"][:2] == [1, 0]
    assert math.isnan(found["exact"][2])
    assert math.isnan(found["overlap"][2])


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("a b c", "a b c", 1.0),
        ("c a b", "a b c", 1.0),
        ("a b", "a b c", 0.8),  # 2 in common, 2 + 3 tokens
        ("a a", "a b", 0.5),
        ("It's", "it s", 0.8),
        ("", "a", 0.0),
        ("", "", 1.0),
        ("x", "y", 0.0),
    ],
)
def test_overlap_is_the_f1_of_tokens(answer, reference, value):
    assert plugs.load("metrics", "general").overlap(answer, reference) == pytest.approx(value)


def test_format_leaks_only_where_nobody_asked_for_an_object():
    triples = [
        ("What is red?", "Blood.", "{'thought': 'x'}"),
        ("What is red?", "Blood.", "Blood."),
        ("Answer as JSON.", None, '{"a": 1}'),
        ("What is red?", '{"a": 1}', '{"a": 1}'),
        ('Read {"a": 1}.', "Read.", '{"a": 1}'),
    ]
    found = table("general", triples)["format_leak"]
    assert found[:2] == [1, 0]
    assert all(math.isnan(value) for value in found[2:])
