import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shared import DATA, with_data

from leaven.rows import files, leaks
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin
from leaven.rows.leaks import LeaksSection

LONG = "the quick brown fox jumps over the lazy dog while nine grey cats sleep on a warm red roof near the old mill"


def rows(*questions):
    return Dataset.of(
        Example((Message("user", question),), Origin("x", f"f:{number}"))
        for number, question in enumerate(questions, 1)
    )


def left(train, test, pool=None, **config):
    return leaks.guard(rows(*train), {"test": rows(*test)}, rows(*pool) if pool else None, LeaksSection(**config))


@pytest.mark.parametrize(
    ("train", "test", "kind"),
    [
        ("Is it red?", "Is it red?", "exact"),
        ("Is it red?", "  is IT red ", "normalised"),
        ("Is the old boat red?\nUse <sep>.", "You are a judge.\nIs the old boat red?\nAnswer yes or no.", "line"),
        (LONG + " and then some", "so " + LONG, "ngram"),
    ],
)
def test_each_kind_of_overlap_is_found_and_names_its_row(train, test, kind):
    found = left([train, "something else entirely"], [test, "another question of its own"])
    assert [(where, drop.reason, drop.detail) for where, drop in found.dropped] == [
        ("test", f"overlaps with a training row ({kind})", "f:1")
    ]
    assert len(found.tests["test"]) == 1


@pytest.mark.parametrize("sign", "\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f\u202e")
def test_signs_that_nobody_sees_hide_no_question(sign):
    hidden = "Name the lar" + sign + "gest river of Pe" + sign + "ru." + sign
    found = left(["Name the largest river of Peru.", "one"], [hidden, f"Question{sign}: {hidden}\nBe brief."])
    assert [match.kind for match in found.matches] == ["normalised", "line"]
    found = left([LONG + " and then some"], ["so " + LONG.replace("o", f"o{sign}")])
    assert [match.kind for match in found.matches] == ["ngram"]
    (row,) = left([], [hidden]).tests["test"]
    assert row.question == hidden  # the data stay as they are


def test_what_a_template_says_is_no_leak():
    template = "You are an advanced judge. " + LONG + "\nIs there a hallucination in the answer?"
    train = [f"{template}\nWhat is {i} plus {i}?" for i in range(40)]
    test = [f"{template}\nWhat is {i} times {i}?" for i in range(40)]
    assert not left(train, test).dropped


def test_pool_rows_that_a_test_asks_about_leave_the_pool():
    found = left(["a b c"], ["Name the largest river of Peru."], ["name the largest river of peru", "Name a tree."])
    assert [(where, drop.example.origin.place) for where, drop in found.dropped] == [("pool", "f:1")]
    assert found.pool is not None and len(found.pool) == 1


def test_only_the_content_that_is_told_is_compared():
    train, test = rows("Name a fish. Reply in <x> format and nothing else."), rows("NAME a fish. Be <x>.")
    config = LeaksSection()
    assert not leaks.guard(train, {"test": test}, None, config).dropped
    (match,) = leaks.guard(train, {"test": test}, test, config, lambda text: text.split(".")[0]).matches[:1]
    assert (match.kind, match.row, match.other, match.source) == ("normalised", 0, 0, "f:1")


@given(st.lists(st.text("abc \n", max_size=30), max_size=8), st.lists(st.text("abc \n", max_size=30), max_size=8))
def test_every_row_is_kept_or_dropped_and_none_that_is_equal_is_kept(train, test):
    found = left(train, test)
    assert len(found.tests["test"]) + len(found.dropped) == len(test)
    assert not {row.question for row in found.tests["test"]} & set(train)


@with_data
def test_all_questions_of_delia_are_found_in_tells_test_file():
    train = files.read(DATA / "delia_halu" / "train_dataset.jsonl").kept
    evaluation = files.read(DATA / "delia_halu" / "eval_dataset.jsonl").kept
    test = files.read(DATA / "tell_halu" / "test_Halu_CoT_JSON.shared.jsonl").kept
    listed = set(json.loads((DATA / "tell_halu" / "delia_overlap_row_numbers.json").read_text()))

    def found(seen):
        dropped = leaks.guard(seen, {"test": test}, None, LeaksSection()).dropped
        return {int(drop.example.origin.place.rpartition(":")[2]) - 1 for _, drop in dropped}

    in_train, in_both = found(train), found(train + evaluation)
    assert len(in_train & listed) == 34
    assert len(in_train - listed) <= 6
    assert in_both >= listed


def test_a_short_text_that_is_there_whole_is_found_beside_a_long_one_that_shares_more():
    here, short = [f"a{number}" for number in range(80)], [f"s{number}" for number in range(16)]
    longer = " ".join([*here[:30], *(f"z{number}" for number in range(200))])
    found = left([longer, " ".join(short)], [" ".join(here + short)])
    assert [(match.kind, match.other, match.share) for match in found.matches] == [("ngram", 1, 1.0)]
