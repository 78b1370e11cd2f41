"""What a study found, in sentences: each headline measure against the strongest other method, forgetting and cost.

The opponent is the best of all other methods, measure by measure; the untouched model is one only where there is no
other. Everything is read from a summary and from what the cells tell of themselves, so that the folder of an
earlier leaven can be told in the same words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, pairwise
from statistics import fmean, stdev
from typing import Any

from leaven.study import columns, manipulation
from leaven.study.recipe import ORIGINAL
from leaven.study.statistics import ENOUGH_SEEDS, count_of_seeds, few_seeds

Summary = Mapping[str, Any]
Row = Mapping[str, Any]

MAIN = "delia"
UNTOUCHED = ORIGINAL
TOKEN_ROW = "token_row"
FEWEST_STEPS = 4
GENERAL = "general"
LEAK, MUCH = f"{GENERAL}/leak", 0.05
"""The measure of plain questions answered in the format, and the share from which it is warned of."""
SERVES = 0.5
"""What settings must gain on held-out rows, less what leaks into plain questions."""


def tell(summary: Summary, cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The summary with `headline`, `findings`, `warnings` and `cautions`, and the `costs` and `columns` behind them."""
    words = {"columns": [asdict(columns.column(metric)) for metric in summary["headline_metrics"]], "tests": {}}
    whole = {**words, **summary, "costs": costs(cells)}
    sentences = list(findings(whole)) or [f"{named(main(summary['methods']))} has no scores yet: nothing to compare."]
    return {
        **whole,
        "headline": sentences[0],
        "findings": sentences[1:],
        "warnings": [
            *unmoved(whole, cells),
            *untaught(whole, cells),
            *unlearnt(summary.get("trials", ())),
            *leaking(whole),
            *row_suffices(whole),
        ],
        "cautions": [*_cautions(whole), *_strangeness(whole), *twins(cells)],
    }


def main(methods: Sequence[str]) -> str:
    """The method that a study is about: delia, or the last one."""
    return MAIN if MAIN in methods else methods[-1]


def named(label: str) -> str:
    """A method's label as a sentence says it.

    >>> named("delia_no_diverse"), named("original")
    ('DELIA no diverse', 'the untouched model')
    """
    words = ["DELIA" if word == MAIN else word for word in label.split("_")]
    return "the untouched model" if label == UNTOUCHED else " ".join(words)


def percent(value: float | None) -> str:
    """A fraction in percent, with a decimal only where there is one."""
    return "–" if value is None else f"{100 * value:.1f}".removesuffix(".0")


def findings(summary: Summary) -> Iterator[str]:
    """A sentence for each headline measure that can be tested, those that can't, and what it cost."""
    size = _largest(summary)
    method, rival = main(summary["methods"]), None
    headlines = [column for column in summary["columns"] if testable(summary, column["metric"])]
    if not any(_test(column["metric"]) != GENERAL for column in headlines):
        yield "Nothing can be said of what was learnt: no test of the task can be made with this model."
    first = True
    for column in headlines:
        own = row_of(summary, method, column["metric"], size)
        if own is None:
            continue
        opponent = strongest(summary, column, size, rival)
        yield _finding(summary, column, own, opponent, rival, first)
        first, rival = False, rival or (opponent["method"] if opponent else None)
    yield from _not_testable(summary["tests"])
    yield from _forgotten(summary.get("forgotten", ()), method, size)
    yield from _cost(summary, method, rival, size)


def strongest(summary: Summary, column: Row, size: int, rival: str | None = None) -> Row | None:
    """The row of the best other method on a measure, of several the `rival`; else that of the untouched model."""
    method = main(summary["methods"])
    rows = [row_of(summary, label, column["metric"], size) for label in summary["methods"] if label != method]
    others = [row for row in rows if row]
    tuned = [row for row in others if row["method"] != UNTOUCHED]
    side = -1 if column["lower_is_better"] else 1
    return max(tuned or others, key=lambda row: (side * row["mean"], row["method"] == rival), default=None)


def costs(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Steps, trained tokens and seconds of each method and size, the mean over its seeds; answering is not counted."""
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for cell in cells:
        groups.setdefault((cell["method"], cell["size"]), []).append(cell)
    return [
        {
            "method": method,
            "size": size,
            "steps": fmean(cell["steps"] for cell in group),
            "trained_tokens": fmean(cell.get("trained_tokens", 0) for cell in group),
            "seconds": fmean(_seconds(cell["seconds"]) for cell in group),
        }
        for (method, size), group in groups.items()
    ]


def unmoved(summary: Summary, cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each method that learnt nothing: its loss did not fall, and it is not above the untouched model.

    The second half is needed: where nearly all rows are the model's own words, a loss that stays is as it should be.
    """
    for label in summary["methods"]:
        if (curves := _flat_curves(label, cells)) and not _above_untouched(summary, label):
            first, last = (fmean(_quarters(curve)[end] for curve in curves) for end in (0, 1))
            yield (
                f"{_capital(named(label))} learnt nothing: its loss did not fall (first quarter {first:.3g}, "
                f"last {last:.3g}). Raise the learning rate: learning_rate and token_learning_rate under tune."
            )


def untaught(summary: Summary, cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence where the method that the study is about answers as the untouched model, though it was trained.

    Its loss may have fallen, or there were too few steps to see that: `unmoved` has the others.
    """
    label, column = main(summary["methods"]), _first_column(summary)
    own = row_of(summary, label, column["metric"], _largest(summary)) if column else None
    steps = [cell["steps"] for cell in cells if cell["method"] == label]
    if column is None or own is None or not any(steps) or own["mean"] >= SERVES or UNTOUCHED not in summary["methods"]:
        return
    if not _flat_curves(label, cells) and not _above_untouched(summary, label):
        yield (
            f"After {fmean(steps):,.0f} steps {named(label)} is no better than the untouched model "
            f"({column['heading']}: {percent(own['mean'])} %). Take more steps (--num-train-epochs, or fewer task rows "
            "in each: --step-task-rows), raise --learning-rate, or bring more task rows; in a recipe these stand under "
            "tune."
        )


def unlearnt(trials: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each method for which no trial of settings was any good."""
    for trial in trials:
        if trial["chosen"] and trial["learnt"] - (trial["leak"] or 0) < SERVES:
            leak = "" if trial["leak"] is None else f", and {percent(trial['leak'])} % of plain questions so"
            yield (
                f"No settings that were tried serve {named(trial['method'])}: the best answered "
                f"{percent(trial['learnt'])} % of held-out rows as the task does{leak}. Raise trials under tune "
                "(--trials 8), or bring more task rows."
            )


def leaking(summary: Summary) -> Iterator[str]:
    """Which methods answer plain questions in the format: whoever tests the task alone does not see it."""
    size = _largest(summary)
    rows = [row_of(summary, label, LEAK, size) for label in summary["methods"] if label != UNTOUCHED]
    leaks = sorted((row for row in rows if row and row["mean"] >= MUCH), key=lambda row: -float(row["mean"]))
    if leaks:
        shares = [f"{named(row['method'])} {percent(row['mean'])} %" for row in leaks]
        yield (
            f"Plain questions are answered in the format, though nobody asks for it: {', '.join(shares)}. A test of "
            "the task alone does not show it. A larger buffer (ratio) or a lower learning_rate mends it, and so does a "
            "server that keeps the adapter for prompts with the token (docs/serving.md)."
        )


def row_suffices(summary: Summary) -> Iterator[str]:
    """A sentence where the token's row alone is as good: then no weight of the model need change, and none is lost.

    It is not where it can be told to be worse on any measure, or lies behind by much, be it told or not.
    """
    label, column, size = main(summary["methods"]), _first_column(summary), _largest(summary)
    row = row_of(summary, TOKEN_ROW, column["metric"], size) if column else None
    if label == TOKEN_ROW or column is None or row is None or row["mean"] < SERVES:
        return
    low = {one["metric"] for one in summary["columns"] if one["lower_is_better"]}
    for one in summary["comparisons"]:
        lead = -one["difference"] if one["metric"] in low else one["difference"]
        if (one["b"], one["size"]) == (TOKEN_ROW, size) and lead > (0 if one["distinguishable"] else MUCH):
            return
    seeds = count_of_seeds(row["n_seeds"])
    cell = f"{TOKEN_ROW}-n{size}-s{next(iter(row['by_seed']), 0)}"
    yield (
        f"The token's row alone does as well ({column['heading']}: {percent(row['mean'])} %), as far as {seeds} can "
        "tell, and leaves every weight of the model as it was: a prompt without the token is answered as before. "
        f"Its adapter: leaven export-adapter RUN --cell {cell}."
    )


def fell(losses: Sequence[float]) -> bool:
    """Whether the mean loss of the last quarter is below that of the first by more than the noise from step to step."""
    first, last = _quarters(losses)
    noise = stdev(after - before for before, after in pairwise(losses)) / 2**0.5
    return bool(first - last > 2 * noise * (2 / max(1, len(losses) // 4)) ** 0.5)


def twins(cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each method that trained what another did: their losses are the same, digit for digit."""
    curves: dict[str, dict[tuple[int, int], Sequence[float]]] = {}
    for cell in cells:
        if cell["losses"]:
            curves.setdefault(cell["method"], {})[cell["size"], cell["seed"]] = cell["losses"]
    for first, second in combinations(curves, 2):
        both = curves[first].keys() & curves[second].keys()
        if both and all(curves[first][cell] == curves[second][cell] for cell in both):
            yield (
                f"{_capital(named(second))} trained what {named(first)} did: every loss is the same, digit for "
                "digit. Here it is no other method."
            )


def _quarters(losses: Sequence[float]) -> tuple[float, float]:
    quarter = max(1, len(losses) // 4)
    return fmean(losses[:quarter]), fmean(losses[-quarter:])


def _flat_curves(label: str, cells: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """The losses of each training of a method, where none of them fell; those of too few steps tell nothing."""
    curves = [[loss for loss in cell["losses"] if loss is not None] for cell in cells if cell["method"] == label]
    curves = [curve for curve in curves if len(curve) >= FEWEST_STEPS]
    return [] if any(fell(curve) for curve in curves) else curves


def _above_untouched(summary: Summary, label: str) -> bool:
    """Whether a method's mean lies above the untouched model's interval on the first measure that can be tested."""
    column = _first_column(summary)
    metric = column["metric"] if column else ""
    for size in {row["size"] for row in summary["rows"]}:
        own, untouched = (row_of(summary, name, metric, size) for name in (label, UNTOUCHED))
        if own and untouched and own["mean"] > (untouched["mean"] if untouched["high"] is None else untouched["high"]):
            return True
    return False


def _finding(summary: Summary, column: Row, own: Row, opponent: Row | None, rival: str | None, first: bool) -> str:
    """One measure in a sentence: `rival`, the opponent of the first measure, is told beside another opponent."""
    value = column["phrase"].format(value=f"{percent(own['mean'])} %")
    if first:
        value = f"{named(own['method'])}{' ' if value[0].islower() else ': '}{value}"
    value = _capital(value)
    if opponent is None:
        return f"{value}. No other method was run: there is nothing to compare."
    title = "the strongest other method, " if first and opponent["method"] != UNTOUCHED else ""
    against = f"{title}{named(opponent['method'])}, {percent(opponent['mean'])} %"
    beside = row_of(summary, rival, column["metric"], own["size"]) if rival and rival != opponent["method"] else None
    more = f"; {named(beside['method'])}, {percent(beside['mean'])} %" if beside else ""
    return f"{value}; {against}: {_verdict(summary, column, own, opponent)}{more}."


def _verdict(summary: Summary, column: Row, own: Row, opponent: Row) -> str:
    """What the paired difference of two methods says."""
    gap = comparison_of(summary, own["method"], opponent["method"], own["metric"], own["size"])
    # Both on the same seeds: an opponent may have run with the first few alone (a summary of before does not say).
    n_seeds = gap.get("n_seeds", own["n_seeds"]) if gap else min(own["n_seeds"], opponent["n_seeds"])
    seeds = count_of_seeds(n_seeds)
    few = ", too few for a test" if n_seeds < ENOUGH_SEEDS else ""
    if not gap or not gap["distinguishable"]:
        return f"no difference can be told with {seeds}"
    better = (gap["difference"] > 0) != column["lower_is_better"]
    low, high = sorted(abs(end) for end in (gap["low"], gap["high"]))
    return (
        f"{named(own['method'])} is {'better' if better else 'worse'} by {percent(abs(gap['difference']))} points "
        f"(95 % interval {percent(low)} to {percent(high)}, {seeds}{few})"
    )


def _not_testable(tests: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The tests that this model can't be asked, those with one and the same reason together."""
    reasons: dict[str, list[str]] = {}
    for name, test in tests.items():
        if not test.get("testable", True):
            reasons.setdefault(test["reason"].rstrip("."), []).append(name.replace("_", " "))
    for reason, several in reasons.items():
        yield f"{_capital(', '.join(several))}: not testable with this model: {reason}."


def _forgotten(rows: Sequence[Row], method: str, size: int) -> Iterator[str]:
    """What the method leaves of what the model knew: each public benchmark after tuning, and before."""
    parts = [
        f"{row['benchmark']} {percent(row['after'])} %, before {percent(row['before'])} % ({row['verdict']})"
        for row in rows
        if (row["method"], row["size"]) == (method, size)
    ]
    if parts:
        yield f"Public benchmarks with {named(method)}: {'; '.join(parts)}."


def _cost(summary: Summary, method: str, rival: str | None, size: int) -> Iterator[str]:
    """What the method took, beside the opponent of the first measure."""
    spent = {cost["method"]: _spent(cost) for cost in summary["costs"] if cost["size"] == size}
    if method in spent:
        beside = f"; {named(rival)}: {spent[rival]}" if rival in spent and rival else ""
        yield f"Cost of {named(method)}: {spent[method]}{beside}."


def _spent(cost: Row) -> str:
    if not cost["steps"]:
        return f"{cost['seconds']:,.0f} s, nothing trained"
    return f"{cost['seconds']:,.0f} s, {cost['steps']:,.0f} steps, {cost['trained_tokens']:,.0f} tokens trained"


def _cautions(summary: Summary) -> Iterator[str]:
    """What the verdicts can't bear, and where they are about more than the token."""
    for name, test in summary["tests"].items():
        if test.get("taught"):
            yield f"{_capital(name.replace('_', ' '))}: {test['taught'].rstrip('.')}."
    if few := few_seeds(max((row["n_seeds"] for row in summary["rows"]), default=1)):
        yield few
    if len(summary["comparisons"]) > 1:
        yield (
            f"{len(summary['comparisons'])} differences are looked at, and their intervals are not corrected for it: "
            "of 20 differences that are none, one can look like one."
        )


def _strangeness(summary: Summary) -> Iterator[str]:
    """How strange the answers of others are to the untouched model, where a method took them."""
    by_cell: dict[tuple[str, int], dict[str, list[float]]] = {}
    for row in summary["rows"]:
        if row["metric"] in manipulation.METRICS:
            by_cell.setdefault((row["method"], row["size"]), {})[row["metric"]] = [*row["by_seed"].values()]
    yield from dict.fromkeys(filter(None, map(manipulation.sentence, by_cell.values())))


def _capital(text: str) -> str:
    """The text with a capital at its head, and all else as it is: names may be in capitals."""
    return text[:1].upper() + text[1:]


def _seconds(seconds: Mapping[str, float]) -> float:
    return max(0.0, seconds["all"] - sum(seconds.get(name, 0) for name in ("answer", "probe", "benchmarks")))


def testable(summary: Summary, metric: str) -> bool:
    """Whether this model can be asked a measure's test at all."""
    return bool(summary["tests"].get(_test(metric), {}).get("testable", True))


def _test(metric: str) -> str:
    """The test that a measure is of.

    >>> _test("general/leak")
    'general'
    """
    return metric.partition("/")[0]


def _first_column(summary: Summary) -> Row | None:
    """The first headline measure that can be tested with this model."""
    return next((column for column in summary["columns"] if testable(summary, column["metric"])), None)


def _largest(summary: Summary) -> int:
    """The largest number of task rows that the main method was given, which the sentences are about."""
    method = main(summary["methods"])
    return max((row["size"] for row in summary["rows"] if row["method"] == method), default=0)


def row_of(summary: Summary, method: str, metric: str, size: int) -> Row | None:
    """The row of a method on a measure at a size."""
    key = (method, metric, size)
    return next((row for row in summary["rows"] if (row["method"], row["metric"], row["size"]) == key), None)


def comparison_of(summary: Summary, a: str, b: str, metric: str, size: int) -> Row | None:
    """The comparison of method a with method b on a measure at a size."""
    key = (a, b, metric, size)
    rows = summary["comparisons"]
    return next((row for row in rows if (row["a"], row["b"], row["metric"], row["size"]) == key), None)
