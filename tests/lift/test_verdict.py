"""What a report opens with, from audits worked by hand; and the whole way, from a gamed judge to the page."""

import json

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from leaven.lift import scores as scoring
from leaven.lift.selection import Scores
from leaven.lift.verdict import verdict
from leaven.llm.trust import KINDS
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.view import lift as report

COST = {"saved": 0, "failed": 0, "prompt_tokens": 1000, "completion_tokens": 500}


def audit(*lines):
    """An audit of (step, parent, strategy, kept, mark); what is not kept was not good enough."""
    names = ("step", "parent", "strategy", "verdict", "quality_judge")
    values = [(step, parent, tactic, "kept" if kept else "dropped", mark) for step, parent, tactic, kept, mark in lines]
    schema = dict(zip(names, (pl.String, pl.Int64, pl.String, pl.String, pl.Float64), strict=True))
    frame = pl.DataFrame(values, schema=schema, orient="row")
    return frame.with_row_index("row").with_columns(
        row=pl.col("row").cast(pl.Int64),
        question=pl.format("Question {}?", "row"),
        answer=pl.format("Answer {}.", "row"),
        stage=pl.when(pl.col("verdict") == "kept").then(pl.lit("")).otherwise(pl.lit("quality")),
        reason=pl.when(pl.col("verdict") == "kept").then(pl.lit("")).otherwise(pl.lit("not good enough")),
    )


def opened(frame, folder, costs=(), marks=None, moved=None):
    pool = Dataset.of(pair(f"Question {row}?", "a" * (1 + row * 7 % 5), Origin("x")) for row in range(frame.height))
    if marks is not None:
        marks = np.asarray(marks, float)
        shifts = {f"judge_{kind}": (marks + (moved or {}).get(kind, 0.0)).tolist() for kind in KINDS}
        columns = {"judge": marks.tolist(), "judge_again": marks.tolist(), **shifts}
        scoring.write(folder / "scores" / "quality.parquet", range(frame.height), Scores(columns))
    return verdict(pool, frame.lazy(), costs, folder, {"harder": "evolve"})


def lines(found):
    return {one["asks"]: one for one in found["lines"]}


MARKS = [20, 33, 47, 58, 61, 74, 80, 92]
PLAIN = [("read", None, None, mark > 60, float(mark)) for mark in MARKS]
HONEST = {"swapped": -20.0, "cut": -8.0, "flattered": 0.0}


def test_a_judge_that_notices_is_trusted_and_its_marks_are_counted_in_bins(tmp_path):
    found = opened(audit(*PLAIN), tmp_path, (), MARKS, HONEST)
    assert found["but"] == ""
    trust = lines(found)["Can the judge be trusted?"]
    assert (trust["says"], trust["good"]) == ("The judge can be trusted as far as planted rows tell.", True)
    assert trust["detail"].startswith("answers of other questions −20.0 points")
    (judge,) = found["judges"]
    assert sum(one["rows"] for one in judge["histogram"]) == len(MARKS)
    assert {(one["points"], one["verdict"]) for one in judge["histogram"]} >= {
        (60, "kept"),
        (90, "kept"),
        (55, "dropped"),
    }
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("marks", "moved", "but"),
    [
        ([44] * 8, HONEST, "but the judge gives every row the same mark, 44 points"),
        (MARKS, {**HONEST, "flattered": 9.0}, "but the judge gives more to answers that ask for full marks: +9.0"),
        (MARKS, {**HONEST, "swapped": 0.0}, "but the judge does not notice answers of other questions"),
    ],
)
def test_a_judge_that_can_not_be_trusted_is_in_the_headline_and_no_gain_is_told_by_it(tmp_path, marks, moved, but):
    frame = audit(*PLAIN[:4], *(("evolve", 0, "deeper", True, 70.0) for _ in range(4)))
    found = opened(frame, tmp_path, (), marks, moved)
    assert found["but"].startswith(but)
    assert lines(found)["Can the judge be trusted?"]["good"] is False
    assert lines(found)["Did expansion pay?"]["says"] == "It can't be told by such marks."


def test_no_judge_no_making_and_no_call_are_said(tmp_path):
    found = lines(opened(audit(*PLAIN), tmp_path))
    assert found["Can the judge be trusted?"]["says"] == "No judge was asked."
    assert found["Did expansion pay?"]["says"] == "Nothing was made: rows were only selected."
    assert found["What does a kept row cost?"]["says"] == "Nothing: no engine was asked."


@pytest.mark.parametrize(
    ("harder", "says", "good"),
    [(30, "Yes: what was made harder is kept more often.", True), (0, "No: ", False), (11, "It can't be told", None)],
)
def test_expansion_pays_where_what_was_made_is_kept_more_often_beyond_noise(tmp_path, harder, says, good):
    rows = [("read", None, None, place < 10, 50.0) for place in range(40)]
    rows += [("evolve", place, "deeper", place < harder, 60.0) for place in range(40)]
    line = lines(opened(audit(*rows), tmp_path))["Did expansion pay?"]
    assert line["says"].startswith(says)
    assert line["good"] is good
    ours, theirs = (harder + 1) / 42, 11 / 42  # Agresti and Caffo's
    half = norm.ppf(0.975) * np.sqrt((ours * (1 - ours) + theirs * (1 - theirs)) / 42)
    low, high = (f"{100 * (ours - theirs + side * half):+.0f}".replace("-", "−") for side in (-1, 1))
    assert f"{low} to {high})" in line["detail"]


def test_two_rows_beside_two_tell_nothing_of_expansion(tmp_path):
    rows = [("read", None, None, False, 50.0)] * 2 + [("evolve", place, "deeper", True, 60.0) for place in range(2)]
    line = lines(opened(audit(*rows), tmp_path))["Did expansion pay?"]
    assert (line["says"], line["good"]) == ("It can't be told from so many rows.", None)


def test_money_is_shared_out_over_tactics_by_the_rows_that_were_asked_for(tmp_path):
    rows = [("reanswer", None, None, True, 50.0)] * 2
    rows += [("evolve", 0, "deeper", True, 60.0)] * 3 + [("evolve", 0, "rarer", False, 40.0)]
    rows += [("evolve", 0, "broken", False, None)] * 2  # never judged
    costs = [
        {"stage": "reanswer", "calls": 2, "cost": 2.0, **COST},
        {"stage": "harder", "calls": 12, "cost": 6.0, **COST},  # as a recipe may call the maker evolve
        {"stage": "quality", "calls": 6, "cost": 1.2, **COST},
    ]
    found = opened(audit(*rows), tmp_path, costs, [50] * 8, HONEST)
    each = {(line["step"], line["strategy"]): (line["rows"], line["kept"], line["each"]) for line in found["tactics"]}
    assert each == {
        ("reanswer", None): (2, 2, f"${(2.0 + 0.4) / 2:.4f}"),
        ("evolve", "deeper"): (3, 3, f"${(3.0 + 0.6) / 3:.4f}"),
        ("evolve", "rarer"): (1, 0, "–"),
        ("evolve", "broken"): (2, 0, "–"),
    }
    money = lines(found)["What does a kept row cost?"]
    assert (money["says"], money["detail"]) == ("$1.8400.", "$9.20, 5 kept rows, 20 calls.")
    unknown = opened(audit(*rows), tmp_path, [{**cost, "cost": None} for cost in costs])
    assert lines(unknown)["What does a kept row cost?"]["says"] == "900 tokens."


def test_rewritings_stand_beside_what_they_were_made_of_kept_ones_first(tmp_path):
    rows = [PLAIN[0], ("evolve", 0, "deeper", False, 1.0), ("evolve", 0, "deeper", True, 9.0)]
    (shown,) = opened(audit(*rows), tmp_path)["rewritings"]
    assert (shown["row"], shown["old_question"], shown["question"]) == (2, "Question 0?", "Question 2?")


SAME = {"reason": "fine", "clarity": 11, "difficulty": 11, "explanation": 11, "accuracy": 11}


def test_a_judge_with_one_mark_for_all_is_in_the_headline_and_no_thought_is_exported(leaven, tmp_path):
    words = "river boat stone cloud apple train violin desk moon salt".split()
    data = [{"instruction": f"Tell of the {a} and {b}.", "input": "", "output": "x"} for a in words for b in words[:3]]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    draft, marks = ({**SAME, "accuracy": 35}, SAME)
    drafted, rewritten = ({"instruction": "Draft."}, {"instruction": "Say it all."})
    script = [
        {"match": "^You mark entries", "reply": f"<think>{json.dumps(draft)}</think>{json.dumps(marks)}"},
        {"match": "^You revise tasks", "reply": f"<think>{json.dumps(drafted)}</think>{json.dumps(rewritten)}"},
        {"reply": ["<think>So.</think>A plain answer.", "Hm, so.\n</think>\nAnother one, and longer."]},
    ]  # fmt: skip
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, script)))
    done = leaven("lift", "d.jsonl", "--llm", "scripted:s.jsonl", "--rounds", 1, "--n", 5, "--embedder", "lsa:4",
                  "--out", "run")  # fmt: skip
    assert done.code == 0, done.err
    first, second, *_ = done.out.splitlines()
    assert first.endswith("rows are kept, but the judge gives every row the same mark, 44 points.")
    assert second.startswith("Can the judge be trusted? Don't trust the judge: ")
    fault = "the judge gives every row the same mark"
    assert (done.err.count(fault), done.out.count(fault)) == (1, 2)  # as it is seen; in the first line, and below it
    written = [*(tmp_path / "run" / "export").rglob("*.jsonl"), tmp_path / "run" / "kept.jsonl"]
    assert len(written) > 1
    assert not any("think>" in path.read_text() or "Draft" in path.read_text() for path in written)
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count(fault) == 2
    assert page.index("Can the judge be trusted?") < page.index("The sets side by side")
    for part in (
        "What the judge gave",
        "answers that ask for full marks",
        "What expansion brought",
        "Before and after",
    ):
        assert part in page
    assert {path.name for path in (tmp_path / "run" / "charts").iterdir()} >= {"marks.svg", "lengths.png"}
    summary = report.read(tmp_path / "run")
    assert set(summary["lengths"]) == {"kept", "dropped"}
    assert sum(one["share"] for one in summary["lengths"]["dropped"]) == pytest.approx(1)
    del summary["verdict"]  # of a lift that an earlier leaven made
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    assert report.write(tmp_path / "run").is_file()
    assert "rows are kept" in report.text(tmp_path / "run")
