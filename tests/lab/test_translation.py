from functools import cache

from leaven.delia.makers.openings import opening
from leaven.lab import lexicon, translation
from leaven.task.phrasebook import phrasings

task_of = cache(translation.task)


def test_rows_hold_held_out_words_in_both_directions_and_no_test_row_is_a_task_row():
    found = task_of("test")
    task, test = list(found.rows), list(found.test("translation").rows)
    words = {*lexicon.HELD_OUT_NOUNS, *lexicon.HELD_OUT_NOUNS.values()}
    assert all(words & set(row.question.lower().replace(".", " ").split()) for row in (*task[:50], *test))
    assert {row.meta["direction"] for row in test} == {"en-tavic", "tavic-en"}
    assert {opening(row) for row in task} == {"Translate to Tavic", "Translate to English"}
    assert not {row.question for row in task} & {row.question for row in test}


def test_dev_and_test_share_no_row():
    dev, test = task_of("dev"), task_of("test")
    for one, other in ((dev.rows, test.rows), (dev.test("translation").rows, test.test("translation").rows)):
        assert not {row.question for row in one} & {row.question for row in other}


def test_unseen_openings_ask_for_the_same_sentences_in_words_that_no_phrasing_has():
    task = task_of("test")
    for row, other in zip(task.test("translation").rows, task.test("unseen_opening").rows, strict=True):
        assert row.question.split(": ", 1)[1] == other.question.split(": ", 1)[1]
        assert (row.answer, row.meta) == (other.answer, other.meta)
        language = opening(row).rsplit(" ", 1)[1]
        known = {phrasing.format(token=language) for phrasing in phrasings("translate", "train")}
        assert opening(other) not in {opening(row), *known}
