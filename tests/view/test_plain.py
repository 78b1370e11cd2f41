"""The sentence for a manager says what the scores bear, and no more."""

import pytest

from leaven.study.columns import column
from leaven.view import plain

FORMAT, LEAK, KEPT = "unseen_phrasing/format", "general/leak", "general/kept"


def summary(leak=(0.0, 0.04), kept=(-0.01, -0.03, 0.01), forgotten=(), testable=True):
    """DELIA of 100 rows: leak as mean and upper end, kept as its difference to the untouched model with its ends."""
    words = [column(metric) for metric in (FORMAT, LEAK, KEPT)]
    row = {"method": "delia", "size": 100, "n_items": 60, "n_seeds": 2, "low": 0.0, "high": 1.0, "by_seed": {}}
    rows = [{**row, "metric": FORMAT, "mean": 0.967}, {**row, "metric": KEPT, "mean": 0.6}]
    if leak:
        rows.append({**row, "metric": LEAK, "mean": leak[0], "high": leak[1]})
    gaps = []
    if kept:
        told = kept[1] > 0 or kept[2] < 0
        gaps = [{"a": "delia", "b": "original", "metric": KEPT, "size": 100, "difference": kept[0], "low": kept[1],
                 "high": kept[2], "distinguishable": told}]  # fmt: skip
    return {
        "methods": ["original", "delia"], "rows": rows, "comparisons": gaps, "forgotten": list(forgotten),
        "columns": [{name: getattr(one, name) for name in one.__slots__} for one in words],
        "headline_metrics": [FORMAT, LEAK, KEPT],
        "tests": {"unseen_phrasing": {"testable": testable, "reason": "no ceiling"}},
    }  # fmt: skip


SAYS = "With 100 examples the model answers in your format 97 times of 100 on wordings it never saw"
FELL = {"benchmark": "gsm8k", "method": "delia", "size": 100, "difference": -0.1, "low": -0.2, "high": -0.02}


@pytest.mark.parametrize(
    ("values", "ending"),
    [
        ({}, ", and lost nothing measurable."),
        ({"leak": (0.9, 0.95)}, "; but plain questions get the format too, 90 times of 100."),
        ({"kept": (-0.2, -0.3, -0.1)}, "; but it says 20 points less of what it said before."),
        ({"kept": (-0.24, -0.56, 0.1)}, "; of what it said before it keeps 60 %, the untouched model 84 %, which 2 "
                                        "seeds can't tell from noise."),
        ({"leak": (0.0, 0.3)}, "; plain questions may get the format too, up to 30 times of 100."),
        ({"forgotten": [FELL]}, "; but it fell on gsm8k."),
        ({"forgotten": [{**FELL, "high": 0.1}]}, "; a loss on gsm8k is not shut out."),
        ({"kept": None}, "; what it lost was not measured."),
        ({"leak": None}, "; what it lost was not measured."),
    ],
)  # fmt: skip
def test_nothing_is_lost_only_where_the_intervals_shut_a_loss_out(values, ending):
    assert plain.sentence(summary(**values)) == SAYS + ending


def test_where_no_test_can_be_made_there_is_no_sentence():
    assert plain.sentence(summary(testable=False)) == ""


def test_a_long_sentence_is_a_claim_and_what_is_against_it():
    assert plain.parts(SAYS + "; but it fell on gsm8k; and more.") == (SAYS + ".", "But it fell on gsm8k; and more.")
    assert plain.parts(SAYS + ", and lost nothing measurable.") == (SAYS + ", and lost nothing measurable.", "")
