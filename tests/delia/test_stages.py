import pytest

from leaven.delia import anchor, stages
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair


def rows(n, word="t"):
    return Dataset.of(pair(f"{word}{i}?", "a", Origin("x")) for i in range(n))


def test_the_papers_share_of_100_rows_keeps_one_and_says_so():
    found = stages.stages(rows(100), rows(30, "d"), 1 / 256, 0)
    assert (found.kept, len(found.first), len(found.second)) == (1, 100, 31)
    assert "at least one is kept" in found.note and "1 of 100" in found.note
    assert sum(row.meta["mixture"] == "task" for row in found.second) == 1


@pytest.mark.parametrize(("n", "share", "kept"), [(512, 1 / 256, 2), (10, 0.0, 0), (3, 1.0, 3), (100, 0.255, 26)])
def test_shares_are_rounded_and_bounded(n, share, kept):
    assert stages.rehearsal_rows(n, share) == kept


def test_rows_are_repeated_evenly():
    found = [row.question for row in stages.repeat(rows(3), 8, 0)]
    assert sorted(found.count(f"t{i}?") for i in range(3)) == [2, 3, 3]


def test_the_anchor_stands_before_every_question_and_changes_nothing_else():
    anchored = anchor.anchor(rows(2), "Careful now.")
    assert [(row.question, row.answer) for row in anchored] == [("Careful now.\nt0?", "a"), ("Careful now.\nt1?", "a")]
    assert anchor.prepend(rows(1)[0].prompt, "X")[-1].content == "X\nt0?"
