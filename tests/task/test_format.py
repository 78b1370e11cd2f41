"""How an answer shows what a token means: what each format detects, and which one a task's answers are in."""

import json
import pickle
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leaven import plugs
from leaven.errors import UserError
from leaven.task.format import SPECIFIC, Format, choose, infer, open_format

SPECS = {
    "json": "json:thought,verdict",
    "table": "table",
    "xml": "xml:thought,verdict",
    "yaml": "yaml:thought,verdict",
    "label": "label:^Verdict:",
    "numbered": "numbered",
    "list": "list",
    "labels": "labels:good,bad",
    "words": "words:4",
    "text": "text",
}
ANSWERS = {
    "json": '{"thought": "It fits well.", "verdict": "good"}',
    "table": "| fruit | price |\n| --- | ---: |\n| pear | 2 |\n| fig | 3 |",
    "xml": "<thought>It fits the text well.</thought>\n<verdict>good</verdict>",
    "yaml": "thought: It fits the text well.\nverdict: good",
    "label": "Verdict: it is a really good one",
    "numbered": "1. Wash the pears.\n2. Cut them up.\n3. Eat.",
    "list": "- Wash the pears.\n- Cut them up.\n- Eat.",
    "labels": "good",
    "words": "Pears and figs",
    "text": "Pears are washed first. After that you cut them up, and then there is nothing left but to eat them.",
}
# What else each answer is: a label is short, a short mapping is one of few words, everything is text.
ALSO = {"label": set(), "labels": {"words"}}
WRAPPED = "Sure, here it is:\n\n{}\n\nLet me know if you need anything else!"


@pytest.mark.parametrize("row", ANSWERS)
@pytest.mark.parametrize("column", SPECS)
def test_an_answer_is_in_its_own_format_and_in_no_other(row, column):
    form = open_format(SPECS[column])
    expected = column in {row, "text"} | ALSO.get(row, set())
    assert form.detect(ANSWERS[row]) == expected
    assert form.valid(ANSWERS[row]) == expected
    assert (form.value(ANSWERS[row]) is not None) == expected


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "words"])
@pytest.mark.parametrize("wrapping", [WRAPPED, "Sure, here it is: {}", "Here you are:\n{}", "{}\n\nI hope this helps!"])
def test_politeness_around_an_answer_changes_nothing(name, wrapping):
    form, answer = open_format(SPECS[name]), ANSWERS[name]
    if name == "table":
        wrapping = wrapping.replace(": {}", ":\n{}")
    assert form.detect(wrapping.format(answer)) and form.valid(wrapping.format(answer))
    if name != "text":
        assert form.value(wrapping.format(answer)) == form.value(answer)


@pytest.mark.parametrize(
    ("name", "fence"), [("json", "json"), ("yaml", "yaml"), ("xml", "xml"), ("table", "markdown"), ("list", "")]
)
def test_a_fence_changes_nothing(name, fence):
    form, answer = open_format(SPECS[name]), ANSWERS[name]
    wrapped = f"Here it is:\n\n```{fence}\n{answer}\n```"
    assert form.valid(wrapped) and form.value(wrapped) == form.value(answer)


@pytest.mark.parametrize(
    ("spec", "answer", "value"),
    [
        ("json", "{'a': 'No', 'b': 1}", {"a": "No", "b": 1}),
        ("yaml", "likes: [tea, milk]\nold: no", {"likes": ["tea", "milk"], "old": "no"}),
        ("xml", "<r><k>1</k></r>", {"r": "<k>1</k>", "k": "1"}),
        ("list", "* one\n* two\n  and more", ["one", "two\nand more"]),
        ("numbered", "(1) one\n(2) two", ["one", "two"]),
        ("table", "a|b\n-|-\n1|2", [["1", "2"]]),
        ("label:^Mood:", "It is sunny.\n**Mood:** Happy.", "happy"),
        (r"label:(?P<value>yes|no)\W*$", "I think so, yes.", "yes"),
        ("labels:yes,no", '"Yes."', "yes"),
        ("labels:-1,0,1", "−1.", "-1"),
        ("labels:C,C++,C#", "C++", "c++"),
        ("labels:A,A-,B", '"A-"', "a-"),
        ("label:^Score:", "Score: **-1**", "-1"),
        ("words:3", "The Eiffel Tower.", "the eiffel tower"),
        ("label:^The answer is:", "The answer is: 4", "4"),
        ("label:^Here is my verdict:", "Here is my verdict: good", "good"),
        ("labels:cafe,café", "cafe\N{COMBINING ACUTE ACCENT}", "café"),
        ("list", "- 5\n- 6\n- 7", ["5", "6", "7"]),
        ("words:1", "是。", "是"),
        ("words:2", "안녕하세요 여러분", "안녕하세요 여러분"),
    ],
)
def test_the_value_is_what_is_compared(spec, answer, value):
    assert open_format(spec).value(answer) == value


@pytest.mark.parametrize(
    ("spec", "settings_", "answer"),
    [
        ("json:a,b", {}, '{"a": 1}'),
        ("json:a", {}, '{"a": 1, "b": 2}'),
        ("json:a,b", {"label_key": "b", "labels": ["yes", "no"]}, '{"a": 1, "b": "perhaps"}'),
        ("yaml:a,b", {}, "a: 1\nc: 2"),
        ("yaml:a,b", {}, "a: he said: no\nb: 2"),
        ("xml:a,b", {}, "<a>1</a> and <b>2"),
        ("list", {"min_items": 3}, "- a\n- b"),
        ("numbered", {"max_items": 1}, "1. a\n2. b"),
        ("table:x,y", {}, "a|b\n-|-\n1|2"),
        ("table", {}, "a|b\n-|-\n1|2|3"),
        ("label:^Mood:", {"labels": ["good", "bad"]}, "Mood: odd"),
    ],
)
def test_an_answer_may_be_in_the_format_and_not_well_formed(spec, settings_, answer):
    form = open_format(spec, settings_)
    assert form.detect(answer) and not form.valid(answer)


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        ("labels:<=50K,>50K", "50K"),
        ("list", "- 5"),
        ("xml", "<think>It is red, I think.</think>\nIt is red."),
        ("words:2", "你好嗎？"),
    ],
)
def test_what_is_near_a_format_is_not_in_it(spec, answer):
    assert not open_format(spec).detect(answer)


@pytest.mark.parametrize(("spec", "text"), [("list", "tea:\n- tea\n* milk"), ("numbered", "1 tea:\n1. tea\n(2)milk")])
def test_an_item_is_marked_where_it_is_one(spec, text):
    spans = open_format(spec).spans(text)
    assert [text[slice(*span)] for span in spans] == ["tea", "milk"] and spans[0][0] > text.index("\n")


def test_all_that_is_said_of_an_answer_is_about_one_object_of_it():
    form, text = open_format("json:verdict"), 'Dear {user}, {}: {"verdict": "good"}, and never {"verdict": "bad"}.'
    assert form.detect(text) and form.valid(text)
    assert form.value(text) == {"verdict": "good"} and form.extra(text)["strict"]
    assert [text[slice(*span)] for span in form.spans(text)] == ['{"verdict": "good"}']
    assert infer([text] * 3)[0].config.keys == ("verdict",)


@pytest.mark.parametrize("spec", SPECS.values())
def test_a_format_says_what_it_is(spec):
    form = open_format(spec)
    assert form.describe() and form.word() and form.predicate() and len(form.word()) <= 30
    assert all(form.start()) and isinstance(form.start(), tuple)
    assert form.testable == (form.name != "text")
    assert open_format(form.spec, form.config.model_dump()) == form == pickle.loads(pickle.dumps(form))
    assert not form.detect("") and not form.valid(" \n") and form.value("") is None


def test_formats_describe_themselves_in_plain_words():
    labels = {"label_key": "verdict", "labels": ["good", "bad"]}
    assert open_format("json:thought,verdict").describe() == "a JSON object with the keys thought and verdict"
    assert open_format("json:verdict", labels).describe() == (
        "a JSON object with the key verdict, where verdict is good or bad"
    )
    assert open_format("xml:a").describe() == "XML with the tag <a>"
    assert open_format("list").describe() == "a bullet list"
    assert open_format("list", {"min_items": 3, "max_items": 7}).describe() == "a bullet list of 3 to 7 items"
    assert open_format("label:^Mood: ").describe() == 'a line "Mood: …"'
    assert open_format(r"label:Mood:\s*(?P<value>\w+)").start() == ("Mood:",)
    assert open_format("label:^[Mm]ood:").start() == ()
    assert open_format("labels:yes,no").describe() == "nothing but yes or no"
    assert open_format("words:50").describe() == "at most 50 words"


def test_what_is_not_known_is_said():
    for spec, settings_, said in [
        ("jsn", {}, "Did you mean 'json'?"),
        ("json", {"keyz": ["a"]}, "keyz: unknown key. Did you mean 'keys'?"),
        ("json", {"labels": ["a"]}, "name it by label_key"),
        ("json:a", {"label_key": "b"}, "none of the keys a"),
        ("words", {}, "words:…"),
        ("words:many", {}, "max_words"),
        ("labels", {}, "labels:…"),
        ("label:(", {}, "not a regular expression"),
        ("list:3", {}, "takes nothing after a colon"),
        ("list", {"min_items": 3, "max_items": 2}, "less than min_items"),
        ("./none.py", {}, "does not exist"),
    ]:
        with pytest.raises(UserError) as error:
            open_format(spec, settings_)
        assert said in str(error.value)


def test_a_file_of_ones_own_needs_only_detect(tmp_path):
    path = tmp_path / "in_brackets.py"
    path.write_text('"""An answer in square brackets."""\n\n\ndef detect(text, config):\n    return text[:1] == "["\n')
    form = open_format(str(path))
    assert (form.name, form.word(), form.testable) == ("in_brackets", "in brackets", True)
    assert form.describe() == "An answer in square brackets"
    assert form.detect("[a]") and form.valid("[a]") and not form.valid("a")
    assert (form.value("[a] "), form.value("a"), form.start()) == ("[a]", None, ())
    assert open_format(form.spec) == form
    assert choose(str(path), {}, ["[a]", "b"])[1] == (
        "1 of 2 answers are in the in brackets format; 1 is not, the first is 'b'."
    )
    with pytest.raises(UserError, match="unknown key"):
        open_format(str(path), {"a": 1})
    (tmp_path / "none.py").write_text("")
    with pytest.raises(UserError, match="has no detect"):
        open_format(str(tmp_path / "none.py"))


def answer_of(name, rng):
    """Another answer of a format, as a task has them."""
    words = [rng.choice(["tea", "milk", "rain", "wind", "snow", "bread", "salt", "iron"]) for _ in range(9)]
    label, items = rng.choice(["good", "bad", "fair"]), words[: rng.randint(3, 7)]
    thought = f"It {' '.join(words)}, and that is no small thing."
    return {
        "json": json.dumps({"thought": thought, "verdict": label}),
        "table": "| item | count |\n|---|---|\n" + "\n".join(f"| {word} | {rng.randint(1, 9)} |" for word in items),
        "xml": f"<thought>{thought}</thought><verdict>{label}</verdict>",
        "yaml": f"thought: {thought}\nverdict: {label}",
        "label": f"Verdict: {label}",
        "numbered": "\n".join(f"{number}. {word}" for number, word in enumerate(items, start=1)),
        "list": "\n".join(f"- {word}" for word in items),
        "labels": label,
        "words": " ".join(words[: rng.randint(1, 3)]) + f" {rng.randint(1, 999)}",
        "text": f"{thought.capitalize()} You asked about {words[0]}: there is much of it.",
    }[name]


SENTENCES = {
    "json": "100 of 100 answers are JSON objects with the keys thought and verdict, where verdict is",
    "table": "100 of 100 answers are Markdown tables with the columns item and count.",
    "xml": "100 of 100 answers are XML with the tags <thought> and <verdict>, where <verdict> is",
    "yaml": "100 of 100 answers are YAML mappings with the keys thought and verdict, where verdict is",
    "label": '100 of 100 answers have a line "Verdict: …", where … is',
    "numbered": "100 of 100 answers are numbered lists of 3 to 7 items.",
    "list": "100 of 100 answers are bullet lists of 3 to 7 items.",
    "labels": "100 of 100 answers are nothing but",
    "words": "100 of 100 answers have at most 4 words.",
    "text": "100 of 100 answers are plain text.",
}


@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize("seed", range(3))
def test_the_answers_of_a_format_are_known_for_it(name, seed):
    rng = random.Random(seed)
    answers = [answer_of(name, rng) for _ in range(100)]
    form, sentence = infer(answers)
    assert form.name == name
    assert sentence.startswith(SENTENCES[name])
    assert all(map(form.valid, answers))
    if name not in ("text", "words", "labels"):
        others = [answer_of("text", rng) for _ in range(4)]
        again, sentence = infer([*answers[:16], others[0], *answers[16:], *others[1:]])
        assert (again.name, again.config) == (name, form.config)
        assert sentence.startswith("100 of 104") and f"; 4 are not, the first is {others[0][:40]!r}"[:-1] in sentence


def test_all_formats_can_be_inferred_and_are_tested():
    assert sorted(SPECIFIC) == plugs.names("formats") == sorted(ANSWERS) == sorted(SENTENCES)


@pytest.mark.parametrize(
    ("answers", "name", "said"),
    [
        (["{'a': 'x', 'b': 'no'}"] * 3, "json", "They are Python literals and not JSON (single quotes)"),
        ([f"Some thought on {n}.\n#### {n}" for n in range(9)], "label", 'have a line "#### …".'),
        ([f"**Answer:** {n} is the number." for n in range(9)], "label", 'have a line "Answer: …".'),
        (["positive", "Negative.", "negative"] * 3, "labels", "are nothing but negative or positive."),
        ([f"word{n}" for n in range(9)], "words", "have at most 1 word."),
        ([f"Length: {n % 9}" for n in range(90)], "label", 'have a line "Length: …".'),
        (["Choice: 2", "Choice: 1"] * 9, "label", 'have a line "Choice: …", where … is 1 or 2.'),
        (["yes"] * 9, "words", "have at most 1 word."),
        (["yes", "no", ""] * 9, "text", "18 of 27 answers are plain text and 9 empty."),
        ([f"Verse {n} is too long to be a label, and no prose has a form." for n in range(9)], "text", "plain text."),
        (
            ["- a\n- b", "- c\n- d", "This is a sentence and no list."],
            "text",
            "text: 2 are bullet lists, which are too few; the first that",
        ),
        ([], "text", "There are no answers"),
    ],
)
def test_what_is_inferred_is_said(answers, name, said):
    form, sentence = infer(answers)
    assert form.name == name
    assert said in sentence


@pytest.mark.parametrize(
    ("labels", "frame"),
    [
        (("-1", "0", "1"), "{}"),
        (("c", "c#", "c++"), "Language: {}"),
        (("-1", "1"), '{{"mark": {}, "why": "so"}}'),
        (("<=50k", ">50k"), "{}"),
        ((".5", "5"), "{}"),
        (("का", "की"), "{}"),
    ],
)
def test_a_sign_tells_labels_apart(labels, frame):
    form, _ = infer([frame.format(label) for label in labels * 5])
    assert form.config.labels == labels
    assert [form.value(frame.format(label)) for label in labels] == list(labels)


def test_optional_keys_are_no_part_of_the_format():
    answers = [json.dumps({"a": n, "b": n, **({"c": n} if n % 2 else {})}) for n in range(20)]
    form, _ = infer(answers)
    assert form.config.keys == ("a", "b") and form.config.extra_keys
    assert all(map(form.valid, answers)) and not form.valid('{"a": 1}')


def test_settings_that_are_not_given_are_told_by_the_answers():
    answers = ["- a\n- b\n- c", "- d\n- e"]
    form, sentence = choose("list", {"max_items": 9}, answers)
    assert (form.config.min_items, form.config.max_items) == (2, 9)
    assert sentence == "2 of 2 answers are bullet lists of 2 to 9 items."
    assert choose("auto", {}, answers) == infer(answers)
    assert choose("auto", {"max_items": 9}, answers)[0] == form
    form, sentence = choose("json:a", {}, ['{"a": 1, "b": "yes"}', '{"a": 2, "b": "no"}'] * 5)
    assert form.config.keys == ("a",) and sentence.startswith("0 of 10")
    assert choose("words:3", {}, answers)[0] == open_format("words:3")
    assert choose("xml", {}, answers) == (
        open_format("xml"),
        "0 of 2 answers are XML; 2 are not, the first is '- a\\n- b\\n- c'.",
    )


HOSTILE = [
    "{" * 100_000,
    "<a>" * 50_000,
    "<a" * 50_000,
    "<a " + " " * 100_000,
    "<!--" * 30_000,
    "```" * 50_000,
    "```\n" * 50_000,
    "a: " * 30_000,
    "a: b\n" * 30_000,
    "a: [" * 5_000,
    "a:\n" + "".join(" " * n + "a:\n" for n in range(300)),
    "a: " + "- " * 20_000,
    "a: &x [1]\nb: *x",
    "? " * 20_000,
    "- " * 100_000,
    "- a\n" * 30_000,
    "1. " * 50_000,
    "\n".join(f"{n}. a" for n in range(1, 30_000)),
    "|" * 100_000,
    "|\n|" * 30_000,
    "a|b\n-|-\n" * 20_000,
    "|-" * 50_000,
    "Sure, here it is:" * 20_000,
    "Verdict:" * 30_000,
    "*" * 200_000,
    " " * 200_000,
    "\n" * 200_000,
    "\0\ud800",
    "if you " * 30_000,
    "\n if you" * 30_000,
]


@pytest.mark.parametrize("spec", SPECS.values())
def test_hostile_text_is_read_to_its_end(spec):
    form = open_format(spec)
    for text in HOSTILE:
        assert form.detect(text) >= form.valid(text)
        form.value(text)


@pytest.mark.parametrize("name", SPECIFIC)
@settings(max_examples=40)
@given(text=st.text(alphabet="{}[]<>'\"\\:,|-*#`.1ab \n\t") | st.text())
@example(text="{}")
@example(text="a:\n- b: 'c\n")
@example(text="<b>bold</b>")
@example(text="a: !!python/object:os.system b\nc: !x d")
def test_no_text_fails(name, text):
    form = open_format(SPECS[name])
    assert form.detect(text) >= form.valid(text)
    assert form.detect(text) or form.value(text) is None
    assert Format(**vars(infer([text])[0])).valid(text) or not text.strip()
