"""What the report of a lift opens with: can its judge be trusted, did expansion pay, what does a kept row cost.

From the audit, what the selectors measured, and the log of calls; no engine is asked.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leaven.lift.makers.reanswer import REPLACES
from leaven.lift.selectors import quality
from leaven.llm.judge import FULL
from leaven.llm.trust import KINDS, Values
from leaven.rows.dataset import Dataset

BIN = 5
"""Points of a bar of the histogram of marks."""
SHOWN = 4
"""Rewritings that are shown beside what they were made of."""
ROWS = (pl.len().alias("rows"), (pl.col("verdict") == "kept").sum().alias("kept"))
"""Of a group, how many rows it has and how many of them are kept."""
Line = dict[str, Any]


def verdict(
    pool: Dataset, audit: pl.LazyFrame, costs: Sequence[Line], folder: Path, steps: Mapping[str, str]
) -> dict[str, Any]:
    """`lines` to begin with, the headline's warning (`but`), judges, tactics, and rewritings to look at.

    `steps` says for stages that make rows what the audit calls their rows' step: a recipe may label them otherwise.
    """
    judges = [_judge(path, pool, audit) for path in sorted((folder / "scores").glob("*.parquet")) if _judged(path)]
    faults = [fault for one in judges for fault in one["faults"]]
    by_step = [{**cost, "stage": steps.get(cost["stage"], cost["stage"])} for cost in costs]
    tactics = _tactics(audit, by_step, [one["stage"] for one in judges])
    return {
        "but": f"but {faults[0]}" if faults else "",
        "lines": [*_trust(judges), _expansion(audit, bool(faults)), _money(sum(one["kept"] for one in tactics), costs)],
        "judges": judges,
        "tactics": tactics,
        "rewritings": _rewritings(audit),
    }


def _judged(path: Path) -> bool:
    return {"judge", "judge_again", *(f"judge_{kind}" for kind in KINDS)} <= set(pl.read_parquet_schema(path))


def _judge(path: Path, pool: Dataset, audit: pl.LazyFrame) -> Line:
    """A judge's trust and the histogram of its marks, over rows that are kept in the end and those that are not."""
    scores = pl.read_parquet(path)
    names = ("judge", "judge_again", *(f"judge_{kind}" for kind in KINDS))
    columns = {name: scores[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names}
    trust = quality.trust_of(pool.rows(scores["row"].to_list()), columns)
    verdicts = audit.select("row", "verdict").collect()
    marks = scores.select("row", "judge").filter(pl.col("judge").is_not_nan()).join(verdicts, on="row")
    points = ((pl.col("judge") // BIN) * BIN).clip(0, FULL - BIN).cast(pl.Int64)
    counts = marks.group_by(points.alias("points"), "verdict").len("rows").sort("points", "verdict")
    return {"stage": path.stem, **trust.figures(), "bin": BIN, "histogram": counts.to_dicts()}


def _trust(judges: Sequence[Line]) -> list[Line]:
    if not judges:
        return [_line("Can the judge be trusted?", "No judge was asked.")]
    return [
        _line("Can the judge be trusted?", one["verdict"], one["trusted"], one["sentence"].removeprefix("Judge: "))
        for one in judges
    ]


def _line(asks: str, says: str, good: bool | None = None, detail: str = "") -> Line:
    """A question and its answer; `good` is None where it is neither good nor bad."""
    return {"asks": asks, "says": says, "good": good, "detail": detail}


def _expansion(audit: pl.LazyFrame, mistrusted: bool) -> Line:
    """Whether rows that were made harder are kept more often than the others."""
    asks = "Did expansion pay?"
    if not _expanded(audit):
        return _line(asks, "Nothing was made: rows were only selected.")
    # Originals whose new answer is there were never judged beside it.
    with_answer = audit.filter(pl.col("answer").is_not_null() & (pl.col("reason") != REPLACES))
    whole = with_answer.select("strategy", "verdict").collect(engine="streaming")
    harder = pl.col("strategy").is_not_null()
    new, others = _kept(whole.filter(harder)), _kept(whole.filter(~harder))
    if not len(new) or not len(others):
        count = f"{new.sum() + others.sum():.0f} of {len(whole):,} rows are kept"
        return _line(asks, f"It can't be told: new rows did not stand beside old ones. {count}.")
    gain = float(new.mean() - others.mean())
    low, high = _interval(new, others)
    evidence = (
        f"{new.mean():.0%} of {len(new):,} rows made harder are kept, {others.mean():.0%} of {len(others):,} others "
        f"({_points(gain)} points, {_points(low)} to {_points(high)})."
    )
    if mistrusted:
        return _line(asks, "It can't be told by such marks.", None, evidence)
    if low <= 0 <= high:
        return _line(asks, "It can't be told from so many rows.", None, evidence)
    return _line(asks, "Yes: what was made harder is kept more often." if gain > 0 else
                 "No: what was made harder is kept less often.", gain > 0, evidence)  # fmt: skip


def _kept(rows: pl.DataFrame) -> Values:
    """1 for a row that is kept, 0 for another."""
    return (rows["verdict"] == "kept").cast(pl.Float64).to_numpy()


def _interval(new: Values, others: Values) -> tuple[float, float]:
    """The 95 % interval of the difference of two shares (Agresti and Caffo, 2000), which holds for few rows too.

    It counts a row more that is kept, and one more that is not, on each side: else two rows that are kept beside two
    that are not would have no width at all.
    """
    counts = [len(part) + 2 for part in (new, others)]
    shares = [(float(part.sum()) + 1) / count for part, count in zip((new, others), counts, strict=True)]
    half = 1.96 * float(np.sqrt(sum(share * (1 - share) / count for share, count in zip(shares, counts, strict=True))))
    return shares[0] - shares[1] - half, shares[0] - shares[1] + half


def _points(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "−")


def _money(kept: int, costs: Sequence[Line]) -> Line:
    """What all calls of this run cost, over the rows that are kept."""
    asks = "What does a kept row cost?"
    if not costs:
        return _line(asks, "Nothing: no engine was asked.")
    spent, calls = _amount(costs), sum(one["calls"] for one in costs)
    whole = f"${spent['dollars']:,.2f}" if spent["unit"] == "dollars" else f"{spent['tokens']:,} tokens, price unknown"
    saved = sum(one["saved"] or 0 for one in costs)
    stored = f"; {saved:,} more were in the store" if saved else ""
    each = _each(spent, kept) if kept else "No row is kept"
    return _line(asks, f"{each}.", None, f"{whole}, {kept:,} kept rows, {calls:,} calls{stored}.")


def _tactics(audit: pl.LazyFrame, costs: Sequence[Line], judges: Sequence[str]) -> list[Line]:
    """For each way in which rows came: how many, how many are kept, their mean mark, what a kept one costs.

    A maker's cost is shared out over the rows that it was asked for, and the judge's over those that it marked.
    """
    marks = [f"{name}_judge" for name in judges if f"{name}_judge" in audit.collect_schema()]
    mark = pl.mean_horizontal(marks) if marks else pl.lit(None, pl.Float64)
    marked = audit.with_columns(mark=mark, judged=mark.is_not_null())
    lines = groups(marked, ("step", "strategy"), *ROWS, pl.col("mark").mean(), pl.col("judged").sum())
    steps, judgings = {line["step"]: 0 for line in lines}, sum(line["judged"] for line in lines)
    for line in lines:
        steps[line["step"]] += line["rows"]
    for line in lines:
        shares = [(cost, line["rows"] / steps[line["step"]]) for cost in costs if cost["stage"] == line["step"]]
        shares += [(cost, line["judged"] / judgings) for cost in costs if judgings and cost["stage"] in judges]
        spent = _amount([_scaled(cost, share) for cost, share in shares])
        line["each"] = _each(spent, line["kept"]) if shares and line["kept"] else "–"
    return lines


def groups(audit: pl.LazyFrame, by: Sequence[str], *counts: pl.Expr) -> list[Line]:
    """Counts by group, in the order of the groups' first rows."""
    frame = audit.group_by(by).agg(*counts, pl.col("row").min())
    return frame.sort("row").drop("row").collect(engine="streaming").to_dicts()


def _amount(costs: Sequence[Line]) -> Line:
    """Dollars where every price is known, else tokens."""
    priced = all(one["cost"] is not None for one in costs)
    tokens = round(sum((one["prompt_tokens"] or 0) + (one["completion_tokens"] or 0) for one in costs))
    dollars = sum(one["cost"] for one in costs) if priced else None
    return {"unit": "dollars" if priced else "tokens", "dollars": dollars, "tokens": tokens}


def _scaled(cost: Line, share: float) -> Line:
    figures = ("prompt_tokens", "completion_tokens", "cost")
    return {name: None if cost[name] is None else cost[name] * share for name in figures}


def _each(spent: Mapping[str, Any], rows: int) -> str:
    return f"${spent['dollars'] / rows:,.4f}" if spent["unit"] == "dollars" else f"{spent['tokens'] / rows:,.0f} tokens"


def _rewritings(audit: pl.LazyFrame) -> list[Line]:
    """Rows that were made harder beside their parents: the first kept one of each tactic, then dropped ones."""
    about, texts = ("row", "parent", "strategy", "verdict"), ("question", "answer")
    harder = audit.filter(pl.col("strategy").is_not_null() & pl.col("answer").is_not_null())
    rewritings = harder.select(about).collect(engine="streaming")
    first = pl.concat([rewritings.filter(pl.col("verdict") == side) for side in ("kept", "dropped")])
    sample = first.unique("strategy", keep="first", maintain_order=True).head(SHOWN)
    numbers = {*sample["row"], *sample["parent"]}
    lines = audit.filter(pl.col("row").is_in(numbers)).select("row", "stage", "reason", *texts).collect()
    before = lines.select(parent="row", old_question="question", old_answer="answer")
    whole = sample.join(before, on="parent", maintain_order="left").join(lines, on="row", maintain_order="left")
    return whole.drop("parent").to_dicts()


def _expanded(audit: pl.LazyFrame) -> bool:
    """Whether any row was made of another one."""
    return bool(audit.select(pl.col("parent").is_not_null().any()).collect().item())
