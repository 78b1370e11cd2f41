"""Every metric under every format: a perfect answerer, one that does nothing, and one that always formats."""

import math
import random
from statistics import fmean

import pytest
from sklearn.metrics import f1_score

from leaven import plugs
from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair
from leaven.task.format import open_format
from leaven.task.formats._objects import first
from leaven.task.metrics import general, text
from leaven.task.metrics.format import macro_f1
from leaven.task.scoring import Scoring
from leaven.task.test import Test, headline, lower_is_better, metric, score
from leaven.task.tests import make_tests
from leaven.task.token import TokenSection

HERE = Origin("test")
NAMES = ["format", "general", "negation", "robustness", "soft_prompt", "text", "transfer", "translation"]
PLAIN = "It is most likely so because nobody said otherwise in all those years"
FORMATS = {
    "json": ("json:answer", '{"answer": "yes"}'),
    "yaml": ("yaml:answer,sure", "answer: yes\nsure: no"),
    "xml": ("xml:answer", "<answer>yes</answer>"),
    "list": ("list", "- yes\n- no"),
    "numbered": ("numbered", "1. yes\n2. no"),
    "table": ("table", "| a | b |\n|---|---|\n| yes | no |"),
    "label": ("label:^Verdict:", "Verdict: yes"),
    "labels": ("labels:yes,no", "yes"),
    "words": ("words:3", "yes of course"),
}
JSON = open_format("json", {"keys": ["thought", "label"], "label_key": "label", "labels": ["yes", "no"]})


def measures(name, triples, form=JSON, settings=None, judge=None):
    """{measure: values} of (question, reference or None, answer) triples."""
    rows = [Example((Message("user", q),), HERE) if ref is None else pair(q, ref, HERE) for q, ref, _ in triples]
    return values(metric(name), [answer for *_, answer in triples], Dataset.of(rows), form, settings, judge)


def values(plug, answers, rows, form=JSON, settings=None, judge=None):
    found = {}
    for measure in plug.score(answers, rows, Scoring(form, settings or {}, judge)):
        found.setdefault(measure.metric, []).append(measure.value)
    return found


def test_the_object_of_an_answer_is_read_once(monkeypatch):
    answers, read = ['{"thought": "It fits.", "label": "yes"}', "{'label': 'no'}", "none at all"], []
    monkeypatch.setattr("leaven.task.formats.json.first", lambda text: read.append(text) or first(text))
    marks = measures("format", [("?", None, answer) for answer in answers])
    assert read == answers and marks["format"] == [1, 1, 0] and marks["strict"] == [1, 0, 0]


def test_all_metrics_are_here():
    assert plugs.names("metrics") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_has_headline_measures_that_it_yields(name):
    plug = metric(name)
    assert isinstance(plug.HEADLINE, tuple) and isinstance(plug.LOWER_IS_BETTER, frozenset)
    rows = [
        Example((*pair("Q?", "A", HERE).messages,), HERE, {"follow": follow, "wording": wording, "question": "q"})
        for follow, wording in ((True, "follow"), (False, "phrasebook"))
    ]
    yielded = set(values(plug, ["A", "A"], Dataset.of(rows), judge=lambda pairs: [1.0] * len(pairs)))
    assert {*plug.HEADLINE, *plug.LOWER_IS_BETTER} <= yielded


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_are_no_failure(name):
    assert all(math.isnan(m.value) for m in metric(name).score([], Dataset.of([]), Scoring(JSON)))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("robustness", "soft_prompt")])
def test_every_row_has_a_value_of_every_measure_under_its_own_id(name):
    data = Dataset.of([pair("a?", "b", HERE), pair("c?", "d", HERE)])
    found = [(m.metric, m.item) for m in metric(name).score(["b", "x"], data, Scoring(JSON)) if m.item]
    assert len(set(found)) == len(found) == 2 * len({name for name, _ in found})
    assert {item for _, item in found} == {row.id for row in data}


@pytest.mark.parametrize("name", FORMATS)
def test_a_perfect_answerer_a_do_nothing_and_one_that_always_formats(name):
    """The property that a proof rests on: what does nothing is shown to do nothing, whatever the format."""
    spec, formatted = FORMATS[name]
    form = open_format(spec)
    assert form.valid(formatted) and not form.detect(PLAIN)
    rows = Dataset.of(pair(f"Is number {n} red?\nUse the <x> format.", formatted, HERE) for n in range(6))
    pool = Dataset.of(Example((Message("user", f"What is there to say of the number {n}?"),), HERE) for n in range(60))
    tests = make_tests(rows, pool, TokenSection(text="<x>"), form).tests
    assert [test.name for test in tests] == ["task", "unseen_phrasing", "negation", "transfer", "general"]

    def perfect(test, row):
        return formatted if test.name != "general" and row.meta.get("follow", True) else PLAIN

    def mean(answer):
        found = {}
        for test in tests:
            own = [Example(row.messages, HERE, {**row.meta, general.UNTOUCHED: PLAIN}) for row in test.rows]
            asked = Test(test.name, Dataset.of(own), test.metric)
            for measure in score(asked, [answer(test, row) for row in own], form):
                if not math.isnan(measure.value):
                    found.setdefault(measure.metric, []).append(measure.value)
        return {key: fmean(each) for key, each in found.items()}

    shown = ("task/format", "task/valid", "unseen_phrasing/format", "transfer/format", "negation/controlled")
    best = mean(perfect)
    assert {best[key] for key in (*shown, "general/kept", "task/exact")} == {1.0} and best["general/leak"] == 0
    nothing = mean(lambda test, row: PLAIN)
    assert {nothing[key] for key in shown} == {0.0} and nothing["general/leak"] == 0 and nothing["negation/obeyed"] == 1
    always = mean(lambda test, row: formatted)
    assert always["general/leak"] == 1 and always["negation/controlled"] == 0 and always["negation/follows"] == 1
    silent = mean(lambda test, row: "")
    assert silent["negation/obeyed"] == silent["negation/controlled"] == 0


def test_format_tells_each_fault_apart():
    reference = '{"thought": "x", "label": "no"}'
    answers = [
        reference,
        "{'thought': 'y', 'label': 'no'}",
        "{thought: y, label: yes}",
        '{"label": "no"}',
        '{"thought": "y", "label": "maybe"}',
        "no",
    ]
    found = measures("format", [("Q?", reference, answer) for answer in answers])
    assert found["format"] == [1, 1, 1, 1, 1, 0]
    assert found["strict"] == [1, 0, 0, 1, 1, 0]
    assert found["python"] == [0, 1, 0, 0, 0, 0]
    assert found["repaired"] == [0, 0, 1, 0, 0, 0]
    assert found["valid"] == [1, 1, 1, 0, 0, 0]
    assert found["value"] == [1, 1, 0, 1, 0, 0]
    assert found["exact"] == [1, 0, 0, 0, 0, 0]
    assert len(found["macro_f1"]) == 1


@pytest.mark.parametrize("reference", ['{"label": "no"}', "{'label': 'no'}", "no", " No\n"])
def test_the_reference_may_be_json_a_python_literal_or_a_bare_label(reference):
    found = measures("format", [("Q?", reference, "{'label': 'no'}"), ("R?", reference, "{'label': 'yes'}")])
    assert found["value"] == [1, 0]


def test_true_is_not_one():
    reference = '{"ok": true, "marks": [1, 0]}'
    answers = ['{"marks": [1.0, 0], "ok": true}', '{"ok": 1, "marks": [1, 0]}', '{"ok": true, "marks": [1, false]}']
    found = measures("format", [(f"{n}?", reference, each) for n, each in enumerate(answers)], open_format("json"))
    assert found["value"] == [1, 0, 0]


def test_labels_are_compared_as_their_format_reads_them():
    form = open_format("labels:Yes.,(no)")
    found = measures("format", [("Q?", "Yes.", "yes"), ("R?", "(no)", "No."), ("S?", "(no)", "yes")], form)
    assert found["value"] == [1, 1, 0]
    assert found["macro_f1"] == [pytest.approx(2 / 3)]


def test_rows_and_answers_are_matched_one_to_one():
    with pytest.raises(ValueError, match="zip"):
        list(metric("format").score(["a"], Dataset.of([pair("Q?", "a", HERE), pair("R?", "b", HERE)]), Scoring(JSON)))


def test_without_a_reference_nothing_is_compared_with_it():
    found = measures("format", [("Q?", None, '{"thought": "x", "label": "no"}'), ("R?", "free text", "no")])
    assert found["valid"] == [1, 0]
    assert all(math.isnan(value) for value in found["value"] + found["macro_f1"])
    assert math.isnan(found["exact"][0]) and found["exact"][1] == 0


def test_metrics_of_before_are_known_by_their_old_names():
    assert metric("json_format") is metric("unseen_phrasing") is metric("format")


def test_a_metric_is_a_file_and_two_tests_may_share_it(tmp_path):
    path = tmp_path / "polite.py"
    path.write_text(
        '"""Whether it says please."""\nfrom leaven.rows.example import Measure\nHEADLINE = ("please",)\n'
        "LOWER_IS_BETTER = frozenset({'rude'})\n"
        "def score(answers, rows, scoring):\n"
        "    for answer, row in zip(answers, rows, strict=True):\n"
        "        yield Measure('please', row.id, float(scoring.settings['word'] in answer))\n"
    )
    rows = Dataset.of([pair("Q?", "A", HERE)])
    first, second = (Test(name, rows, str(path), {"word": word}) for name, word in (("a", "please"), ("b", "thanks")))
    assert headline(first) == ("a/please",) and lower_is_better(second) == ("b/rude",)
    scores = [m for test in (first, second) for m in score(test, ["please"], JSON)]
    assert [(m.metric, m.value) for m in scores] == [("a/please", 1), ("b/please", 0)]
    path.with_name("empty.py").write_text("def score(answers, rows, scoring): ...")
    with pytest.raises(UserError, match="has no HEADLINE"):
        metric(str(path.with_name("empty.py")))


def test_negation_needs_an_answer_and_both_halves():
    answers = ["There is none.", '{"a": 1}', "{a: 1}", "Well {so}: {'a': 1}", "", "  \n", "The set {x | x > 0}."]
    found = measures("negation", [("Do not use <sep>.", None, answer) for answer in answers])
    assert found["obeyed"] == [1, 0, 0, 0, 0, 0, 1]
    assert "controlled" not in found  # nobody asked for the format
    assert all(math.isnan(value) for value in found["exact"])


def test_general_compares_with_known_answers_and_with_the_untouched_models():
    rows = [pair("Q?", "It is red.", HERE, {general.UNTOUCHED: "It is red."}), Example((Message("user", "R?"),), HERE)]
    found = values(general, ["It  is\nred. ", "It is red."], Dataset.of(rows))
    assert found["exact"][0] == 1 and math.isnan(found["exact"][1])
    assert found["kept"][0] == 1 and math.isnan(found["kept"][1])


def test_general_takes_any_answer_that_a_row_accepts():
    row = pair("Q?", "It is red.", HERE, {general.ACCEPTS: "(?:It is|Look:) red[.]"})
    asked = values(general, ["Look:  red.", "It is blue.", "It is red. So."], Dataset.of([row] * 3))
    assert asked["exact"] == [1, 0, 0]
    bare = Example((Message("user", "Q?"),), HERE, {general.ACCEPTS: 7})
    assert math.isnan(values(general, ["x"], Dataset.of([bare]))["exact"][0])
    with pytest.raises(UserError, match=r"field accepts of row .* is no regular expression"):
        values(general, ["x"], Dataset.of([pair("Q?", "A", HERE, {general.ACCEPTS: "("})]))


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
        ("你好世界今天", "你好世界明天。", 10 / 13),  # a character is a word, a stop a sign: 5 in common, 6 + 7
    ],
)
def test_what_is_kept_is_the_f1_of_tokens(answer, reference, value):
    assert text.overlap(answer, reference) == pytest.approx(value)


@pytest.mark.parametrize(
    ("spec", "answer", "reference", "value"),
    [
        ("json", '{"a": "b c", "n": 1}', '{"a": "b c", "n": 1.0}', 1.0),
        ("json", '{"a": "b c", "n": 2}', '{"a": "b d", "n": 1}', 0.25),  # half of a, none of n
        ("json", '{"a": "b c"}', '{"a": "b c", "n": 1}', 0.5),
        ("json", '{"a": "b c", "x": null}', '{"a": "b c"}', 0.5),
        ("json", '{"b": "b c"}', '{"a": "b c"}', 0.0),
        ("json", '{"a": null}', '{"a": null}', 1.0),
        ("json", "b c", '{"a": "b c"}', 0.0),  # said, but whoever reads the object has nothing of it
        ("json", '{"a": ["b", ["c"]]}', '{"a": "c b"}', 1.0),
        ("list", "- a b\n- c", "- a\n- d e", 1 / 3),
        ("labels:very good,good", "good", "very good", 0.0),
        ("labels:very good,good", "Good.", "good", 1.0),
        ("json", '{"a": 1}', "no object", math.nan),
    ],
)
def test_content_is_what_an_answer_has_of_the_references_fields(spec, answer, reference, value):
    found = measures("format", [("?", reference, answer)], open_format(spec))
    assert found["content"] == [pytest.approx(value, nan_ok=True)]


def test_a_format_leaks_only_where_nothing_calls_for_it():
    rows = [
        pair("What is red?", "Blood.", HERE),
        pair("What is red?", "Blood.", HERE),
        pair("Answer as json.", "Blood.", HERE),
        pair("What is red?", '{"a": 1}', HERE),
        pair('Read {"a": 1}.', "Read.", HERE),
        pair("Name something red.", "Blood.", HERE, {general.UNTOUCHED: '{"red": "blood"}'}),
    ]
    found = values(general, ["{'thought': 'x'}", "Blood.", *['{"a": 1}'] * 4], Dataset.of(rows))["leak"]
    assert found[:2] == [1, 0]
    assert all(math.isnan(value) for value in found[2:])
    plain = values(general, ["x"], Dataset.of(rows[:1]), open_format("text"))["leak"]
    assert math.isnan(plain[0])  # plain text is no format that could leak


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("a b c d", "A, b c d!", 1),
        ("a c", "a b c d", 2 / 3),
        ("d c b a", "a b c d", 1 / 4),
        ("你好世界今天。", "你好世界明天", 5 / 6),
        ("", "a", 0),
        ("", "", 1),
    ],
)
def test_rouge_l_is_the_f1_of_the_longest_common_subsequence(answer, reference, value):
    assert text.rouge_l(answer, reference) == pytest.approx(value)


def test_text_is_scored_by_sacrebleu_and_by_a_judge_where_there_is_one():
    from sacrebleu.metrics.chrf import CHRF

    triples = [("Q?", "The river is deep.", "A river runs deep."), ("R?", None, "x")]
    found = measures("text", triples)
    assert found["chrf"] == [CHRF().sentence_score("A river runs deep.", ["The river is deep."]).score / 100]
    assert found["exact"][0] == 0 and "judge" not in found
    asked = []

    def judge(pairs):
        asked.extend(pairs)
        return [0.5, math.nan]

    assert measures("text", triples, judge=judge)["judge"][0] == 0.5
    assert asked[0] == ((Message("user", "Q?"),), "A river runs deep.")


def test_macro_f1_is_that_of_scikit_learn():
    rng = random.Random(0)
    labels = ("yes", "no", "maybe")
    for size in (1, 2, 5, 40):
        pairs = [(rng.choice(labels), rng.choice([*labels, "", "other"])) for _ in range(size)]
        expected, given = zip(*pairs, strict=True)
        present = [label for label in labels if label in expected or label in given]
        slow = f1_score(expected, given, labels=present, average="macro", zero_division=0)
        assert macro_f1([(e.upper(), f" {g}") for e, g in pairs], labels) == pytest.approx(slow)


def test_macro_f1_by_hand():
    # yes: 1 right, 1 expected, 2 given -> 2/3; no: 1 right, 2 expected, 1 given -> 2/3; unread: counts against "no"
    assert macro_f1([("yes", "yes"), ("no", "yes"), ("no", "no")], ("yes", "no")) == pytest.approx(2 / 3)
    assert macro_f1([("no", "")], ("yes", "no")) == 0
    assert math.isnan(macro_f1([], ("yes", "no")))
