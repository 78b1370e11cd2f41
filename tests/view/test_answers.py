"""Answers side by side: filters, pages and marks beside those worked by hand; the difference beside the report's."""

import polars as pl
import pytest
from tests.view.runs import OBJECT, PHRASED, study

from leaven.study import statistics
from leaven.view import answers, marking
from leaven.view.answers import Query
from leaven.view.source import Source

RIGHT, WRONG = f"Sure: {OBJECT}", "No idea 🙂"
TEXTS = {
    "original": {0: [WRONG, WRONG, RIGHT, WRONG], 1: [WRONG, WRONG, RIGHT, WRONG]},
    "delia": {0: [RIGHT, WRONG, WRONG, RIGHT], 1: [RIGHT, RIGHT, WRONG, "İt is (a+b)"]},
}
QUERY = Query("unseen_phrasing", "format", 5, "original", "delia")


def changed(**values):
    return Query(**{**{name: getattr(QUERY, name) for name in QUERY.__slots__}, **values})


@pytest.fixture
def found(tmp_path):
    return answers.read(study(tmp_path / "run", TEXTS), "<sep>")


def items(page):
    return [question["item"] for question in page["questions"]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["item0", "item1", "item2", "item3"]),
        ({"show": "differ"}, ["item0", "item1", "item2", "item3"]),
        ({"show": "better"}, ["item0", "item1", "item3"]),  # by 1, 1/2 and 1/2
        ({"show": "worse"}, ["item2"]),
        ({"show": "wrong"}, ["item1", "item2", "item3"]),
        ({"phrasing": PHRASED[1]}, ["item1", "item3"]),
        ({"search": "no IDEA"}, ["item0", "item1", "item2", "item3"]),
        ({"search": "(a+b)"}, ["item3"]),
        ({"search": "question 2"}, ["item2"]),
        ({"search": "nobody says this"}, []),
        ({"search": "question", "phrasing": PHRASED[0], "show": "worse"}, ["item2"]),
        ({"a": "delia", "b": "original", "show": "worse"}, ["item0", "item1", "item3"]),
        ({"page": 1}, []),
    ],
)
def test_filters_leave_what_they_say(found, changes, expected):
    assert items(found.page(changed(**changes), lower_is_better=False)) == expected


def test_the_counts_of_all_filters_are_told_whatever_is_shown(found):
    page = found.page(changed(show="worse"), lower_is_better=False)
    assert (page["total"], page["hits"]) == (4, 1)
    assert page["counts"] == {"differ": 4, "worse": 1, "better": 3, "wrong": 3}


def test_where_less_is_better_worse_is_more(found):
    assert items(found.page(changed(show="worse"), lower_is_better=True)) == ["item0", "item1", "item3"]


def test_every_method_and_seed_stands_beside_the_others_with_its_marks(found):
    (question,) = found.page(changed(show="worse"), lower_is_better=False)["questions"]
    assert [(one["method"], one["seed"], one["marks"]["format"]) for one in question["answers"]] == [
        ("delia", 0, 0.0), ("original", 0, 1.0), ("delia", 1, 0.0), ("original", 1, 1.0)
    ]  # fmt: skip


def test_the_difference_is_that_of_the_statistics_on_the_questions_that_are_left(found):
    scores = pl.concat([pl.read_parquet(path.parent / "scores.parquet") for path, _ in found.cells])
    expected = statistics.compare(scores, "delia", "original", "unseen_phrasing/format", 5)
    told = found.difference(QUERY)
    assert told["difference"] == pytest.approx(0.25)
    assert (told["low"], told["high"], told["items"], told["seeds"]) == (expected.low, expected.high, 4, 2)
    # What is shown by marks is no choice of questions: of those that got worse the difference would be foregone.
    assert found.difference(changed(show="worse")) == told
    assert found.difference(changed(phrasing=PHRASED[0]))["difference"] == pytest.approx(0.0)
    assert found.difference(changed(a="delia")) is None


def test_what_can_be_filtered_by(found):
    assert found.measures() == {"unseen_phrasing": ["format", "value"]}
    assert sorted(found.phrasings("unseen_phrasing")) == sorted(PHRASED)


def test_what_the_detector_saw_is_marked_in_the_text(tmp_path):
    source = Source(study(tmp_path / "run", TEXTS))
    page = source.page({"test": "unseen_phrasing", "measure": "format", "size": "5", "a": "original", "b": "delia"})
    first = page["questions"][0]["answers"][0]
    (span,) = first["spans"]
    assert (
        first["text"][slice(*span)] == OBJECT
        and first["value"] == "{'label': 'yes'}" == page["questions"][0]["expected"]
    )


def test_a_format_that_was_told_by_the_answers_is_told_by_the_references(tmp_path):
    run = study(tmp_path / "run", TEXTS)
    (run / "recipe.yaml").write_text("token: {text: <sep>, answers: auto}\n")
    source = Source(run)
    assert source.run()["ways"] == ["python", "repaired", "strict"]
    assert source.detector.name == "json"


def test_a_format_in_a_file_of_somebody_is_not_run_to_look_at_answers(tmp_path):
    (tmp_path / "mine.py").write_text("raise SystemExit('it ran')\n")
    assert marking.detector({"token": {"answers": str(tmp_path / "mine.py")}}, [OBJECT]) is None


def test_of_a_text_without_end_a_page_gets_the_beginning_and_how_much_is_left_out():
    assert marking.cut("a" * 100_000) == {"text": "a" * marking.SHOWN, "more": 100_000 - marking.SHOWN}


def test_cells_that_end_while_one_looks_are_there_at_the_next_question(tmp_path):
    run = study(tmp_path / "run", {"original": TEXTS["original"]}, finished=False)
    source = Source(run)
    assert [method["key"] for method in source.run()["methods"]] == ["original"]
    study(tmp_path / "more", {"delia": TEXTS["delia"]}, finished=False)
    (tmp_path / "more" / "cells" / "delia-n5-s0").rename(run / "cells" / "delia-n5-s0")
    assert {method["key"] for method in source.run()["methods"]} == {"original", "delia"}


def test_a_difference_is_computed_once_for_the_questions_that_it_is_about(found, monkeypatch):
    computed = []
    monkeypatch.setattr(
        statistics, "compare", lambda *given, compare=statistics.compare: computed.append(given) or compare(*given)
    )
    gaps = [found.difference(changed(show=show, page=page)) for show in ("all", "worse", "wrong") for page in (0, 1)]
    assert len(computed) == 1 and gaps == gaps[:1] * 6
    found.difference(changed(search="question 2"))
    assert len(computed) == 2


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_filters_by_marks_keep_what_plain_python_keeps(found, lower_is_better):
    values = found.values("unseen_phrasing/format", 5).to_dicts()
    side, best = (-1, 0) if lower_is_better else (1, 1)
    kept = {show: [] for show in ("differ", "worse", "better", "wrong")}
    for question in range(4):
        a, b = ([one["value"] for one in values if (one["question"], one["method"]) == (question, method)]
                for method in ("original", "delia"))  # fmt: skip
        gain = side * (sum(b) / len(b) - sum(a) / len(a))
        wrong = any(side * one < side * best for one in b)
        for show, is_so in {"differ": len({*a, *b}) > 1, "worse": gain < 0, "better": gain > 0, "wrong": wrong}.items():
            kept[show] += [f"item{question}"] * is_so
    for show, expected in kept.items():
        assert sorted(items(found.page(changed(show=show), lower_is_better))) == expected
