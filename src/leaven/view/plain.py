"""What a study found, in the sentence that a manager reads: what the model does now, and what it lost by it.

    With 100 examples the model answers in your format 97 times of 100 on wordings it never saw, and lost nothing
    measurable.

It says no more than the scores bear: "nothing" is said only of a loss that the intervals shut out, and whoever did not
measure what was forgotten is told so.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from leaven.study import headline
from leaven.study.headline import LEAK, UNTOUCHED, comparison_of, main, row_of, testable
from leaven.study.statistics import count_of_seeds

Summary = Mapping[str, Any]

KEPT = "general/kept"
SMALL = 0.05
"""A loss of so much, a twentieth, is what "nothing measurable" must shut out."""
WORDINGS = {
    "unseen_phrasing/format": "answers in your format {times} on wordings it never saw",
    "task/format": "answers in your format {times} on your test questions",
    "transfer/format": "answers in your format {times} on tasks it never saw",
    "translation/chrf": "translates at a chrF++ of {points}",
}
"""Measure → what the model does, as a verb's phrase."""


def sentence(summary: Summary) -> str:
    """The study's main method at its largest size, in one sentence; empty where it has no scores."""
    size = max((row["size"] for row in summary["rows"]), default=0)
    method = main(summary["methods"])
    claim = next((words for column in summary["columns"] if (words := _does(summary, method, column, size))), "")
    if not claim:
        return ""
    examples = f"With {size:,} example{'s' * (size > 1)} the model" if method != UNTOUCHED else "The untouched model"
    return f"{examples} {claim}{_loss(summary, method, size)}."


def parts(sentence: str) -> tuple[str, str]:
    """The sentence as a heading and what stands below it: the claim, and what is against it ("" where nothing is).

    >>> parts("The model answers in your format every time; but it fell on gsm8k.")
    ('The model answers in your format every time.', 'But it fell on gsm8k.')
    """
    claim, _, loss = sentence.partition("; ")
    return (f"{claim}.", f"{loss[:1].upper()}{loss[1:]}") if loss else (sentence, "")


def name(method: str) -> str:
    """A method's name at the head of a line.

    >>> name("original"), name("delia"), name("common_equal_steps")
    ('Untouched model', 'DELIA', 'Common equal steps')
    """
    words = headline.named(method).removeprefix("the ")
    return words[:1].upper() + words[1:]


def _does(summary: Summary, method: str, column: Mapping[str, Any], size: int) -> str:
    """What the method does by a measure, where that can be tested; what it loses is told apart."""
    metric = column["metric"]
    row = row_of(summary, method, metric, size)
    if row is None or metric.startswith("general/") or not testable(summary, metric):
        return ""
    words = WORDINGS.get(metric, f"is right {{times}} by “{column['heading']}”")
    return words.format(times=times(row["mean"]), points=f"{100 * row['mean']:.0f}")


def times(share: float) -> str:
    """A share as a manager says it; 100 of 100 and none are said of these alone.

    >>> times(0.967), times(0.999), times(1.0), times(0.0), times(0.001)
    ('97 times of 100', '99 times of 100', 'every time', 'never', '1 time of 100')
    """
    if share in (0, 1):
        return "every time" if share else "never"
    count = min(99, max(1, round(100 * share)))
    return f"{count} time{'s' * (count > 1)} of 100"


def _loss(summary: Summary, method: str, size: int) -> str:
    """What was lost: the format where nobody asks for it, the model's own words, what it knew."""
    if method == UNTOUCHED:
        return ""
    losses, doubts, measured = list(_lost(summary, method, size)), list(_doubts(summary, method, size)), _measured(
        summary, method, size
    )  # fmt: skip
    if losses:
        return f"; but {' and '.join(losses)}"
    if doubts:
        return f"; {'; '.join(doubts)}"
    return ", and lost nothing measurable" if measured else "; what it lost was not measured"


def _lost(summary: Summary, method: str, size: int) -> Iterator[str]:
    """Losses that are told from noise."""
    leak = row_of(summary, method, LEAK, size)
    if leak and leak["mean"] >= SMALL:
        yield f"plain questions get the format too, {times(leak['mean'])}"
    gap = comparison_of(summary, method, UNTOUCHED, KEPT, size)
    if gap and gap["distinguishable"] and gap["difference"] < 0:
        yield f"it says {100 * -gap['difference']:.0f} points less of what it said before"
    fallen = [row["benchmark"] for row in _forgotten(summary, method, size) if row["high"] is not None
              and row["high"] < 0]  # fmt: skip
    if fallen:
        yield f"it fell on {', '.join(fallen)}"


def _doubts(summary: Summary, method: str, size: int) -> Iterator[str]:
    """Losses that may be there, since the intervals do not shut them out."""
    gap, own = (comparison_of(summary, method, UNTOUCHED, KEPT, size), row_of(summary, method, KEPT, size))
    if gap and own and (gap["low"] is None or gap["low"] < -SMALL):
        before = own["mean"] - gap["difference"]
        yield (
            f"of what it said before it keeps {100 * own['mean']:.0f} %, the untouched model {100 * before:.0f} %, "
            f"which {count_of_seeds(own['n_seeds'])} can't tell from noise"
        )
    leak = row_of(summary, method, LEAK, size)
    if leak and leak["high"] is not None and leak["high"] > 2 * SMALL:
        yield f"plain questions may get the format too, up to {times(leak['high'])}"
    open_ended = [row["benchmark"] for row in _forgotten(summary, method, size) if row["low"] is not None
                  and row["low"] < -SMALL and row["high"] >= 0]  # fmt: skip
    if open_ended:
        yield f"a loss on {', '.join(open_ended)} is not shut out"


def _measured(summary: Summary, method: str, size: int) -> bool:
    """Whether the study looked at leaks and at what the model said before, beside the untouched model."""
    leak = row_of(summary, method, LEAK, size) is not None or LEAK not in summary["headline_metrics"]
    return leak and comparison_of(summary, method, UNTOUCHED, KEPT, size) is not None


def _forgotten(summary: Summary, method: str, size: int) -> list[Mapping[str, Any]]:
    return [row for row in summary.get("forgotten", ()) if (row["method"], row["size"]) == (method, size)]
