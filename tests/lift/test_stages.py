"""A lift is a recipe: makers and selectors anywhere, each with its settings; refilled until enough are accepted."""

import io
import json
from contextlib import nullcontext

import pytest
import yaml

from leaven.errors import UserError
from leaven.lift import audit, run, settings, sizes, stages
from leaven.lift.settings import Settings, parse
from leaven.llm.budget import Budgeted, Counted, Spend
from leaven.llm.engines.scripted import Scripted
from leaven.rows import outcomes
from leaven.runs import folder as runs
from leaven.runs.progress import Progress

ROWS = 20


@pytest.fixture
def data(tmp_path):
    """Twenty rows, four of which are copies, and one of which holds an address."""
    lines = [{"instruction": f"Say {i % 15}.", "input": "", "output": f"It is {i % 15}."} for i in range(ROWS - 1)]
    lines.append({"instruction": "Say whom to ask.", "input": "", "output": "jane.doe@example.com"})
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(tmp_path / "d.jsonl")


def lifted(chosen, folder, answer, **limits):
    """The lift, and what the engine was asked."""
    asked = []
    spend = Spend(**limits)

    def said(prompt, draw):
        asked.append(prompt[-1].content)
        return answer(asked[-1], draw)

    engine = Counted(Budgeted(Scripted(said), spend), spend)
    left = run.run(chosen, folder, Progress(io.StringIO()), lambda spec, what: nullcontext(engine))
    return audit.read(folder), asked, left


def writer(asked, draw):
    """Rewrites, and answers; every other answer is none."""
    if asked.startswith("You revise tasks"):
        return json.dumps({"instruction": f"Say more of {draw}."})
    return "" if draw % 2 else f"A long answer to {asked}"


STAGES = [
    "pii",
    {"exact": {"compare": "question"}},
    {"evolve": {"rounds": 1}},
    {"minhash": {"threshold": 0.99, "as": "dedup"}},
    {"exact": None},
    {"longest": {}},
]


def test_stages_stand_in_any_order_and_what_is_dropped_first_is_not_paid_for(data, tmp_path):
    frame, asked, _ = lifted(parse({"data": data, "llm": "x", "stages": STAGES, "n": 12}), tmp_path / "run", writer)
    assert len([text for text in asked if text.startswith("You revise tasks")]) == 15
    dropped = dict(frame.group_by("stage").len().iter_rows())
    assert (dropped["pii"], dropped["exact"], dropped[""]) == (1, 4, 12)
    assert frame["longest_rank"].max() > 12 and (tmp_path / "run" / "stages" / "exact-2.parquet").is_file()
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    order = list(dict.fromkeys(group["stage"] for group in summary["stages"]))
    assert order == [name for name in ("pii", "exact", "evolve", "dedup", "exact-2", "longest") if name in order]
    again = settings.read(tmp_path / "run")
    assert [stage.name for stage in again.plan] == ["pii", "exact", "evolve", "dedup", "exact-2", "longest"]
    assert again.stages[3].config == {"threshold": 0.99}


def test_paths_of_set_lead_into_the_stages_and_steps_of_lift_do_not_stand_beside_them(data):
    found = parse({"data": data, "stages": STAGES, "dedup.threshold": 0.8})
    assert found.stages[3].config == {"threshold": 0.8}
    with pytest.raises(UserError, match="Did you mean 'dedup'"):
        parse({"data": data, "stages": STAGES, "dedupe.threshold": 0.8})
    with pytest.raises(UserError, match="rounds can't be set beside them"):
        parse({"data": data, "stages": STAGES, "rounds": 1})
    with pytest.raises(UserError, match="two stages are called a"):
        parse({"data": data, "stages": [{"exact": {"as": "a"}}, {"length": {"as": "a"}}]})


@pytest.mark.parametrize("values", [{}, {"exact.part": "all"}])
def test_labels_that_can_not_be_are_refused_all_at_once(data, values):
    stages = [{"exact": {"as": "../../x"}}, {"length": {"as": "n"}}, {"pii": {"as": "read"}}, "exact"]
    with pytest.raises(UserError) as error:
        parse({"data": data, "stages": stages, **values})
    for said in ("stage 1 can't be called '../../x'", "stage 2 can't be called 'n'", "stage 3 can't be called 'read'"):
        assert said in error.value.problem
    with pytest.raises(UserError, match="stage 1 can't be called 'a/b'"):
        parse({"data": data, "before": [{"pii": {"as": "a/b"}}]})


@pytest.mark.parametrize("stages", [["exact"], [{"k_center": {"keep": 0.5}}]])
def test_a_lift_that_keeps_nothing_comes_to_its_end_and_says_why(data, tmp_path, stages):
    (tmp_path / "none.py").write_text(
        "from leaven.lift.selection import outcome\n"
        "from leaven.section import Section\n\n"
        "class Config(Section):\n    pass\n\n"
        "def choose(data, scores, config, context):\n    return outcome(data, [], 'none', 'not wanted')\n"
    )
    values = {"data": data, "stages": [*stages, str(tmp_path / "none.py")], "embedder": "lsa:4"}
    frame, _, left = lifted(parse(values), tmp_path / "run", writer)
    assert not left and frame.filter(verdict="kept").is_empty()
    assert frame.filter(stage="none")["reason"].unique().to_list() == ["not wanted"]
    assert (tmp_path / "run" / "kept.jsonl").read_text() == ""


def test_the_simple_form_is_lift_in_the_order_of_the_paper(data):
    settings = {"data": data, "llm": "x", "dedup": "minhash", "against": [data], "embedder": "st:encoder"}
    names = [stage.name for stage in parse(settings).plan]
    assert names == ["copies", "reanswer", "evolve", "guard", "variety", "dedup", "quality"]
    bare = {"data": data, "before": ["pii"], "embedder": "st:encoder"}
    assert [stage.name for stage in parse(bare).plan] == ["pii", "variety", "quality"]


def test_more_rows_are_made_until_as_many_are_accepted(data, tmp_path):
    values = {"data": data, "llm": "x", "stages": ["exact", {"evolve": {"rounds": 1}}, "longest"], "n": 40}
    few, _, _ = lifted(parse(values), tmp_path / "a", writer)
    assert 15 < few.filter(verdict="kept").height < 40
    full, _, left = lifted(parse({**values, "refill": 9}), tmp_path / "b", writer)
    assert full.filter(verdict="kept").height == 40 and not left
    assert (tmp_path / "b" / "made" / "evolve.2.parquet").is_file()
    with pytest.raises(UserError, match="no stage makes further rows"):
        lifted(parse({**values, "stages": ["exact", "longest"], "refill": 1}), tmp_path / "c", writer)


def test_a_lift_that_ends_with_fewer_rows_than_are_wanted_says_so(data, tmp_path):
    values = {"data": data, "llm": "x", "stages": ["exact", {"evolve": {"rounds": 1}}, "longest"], "n": 400}
    lifted(parse({**values, "refill": 1}), tmp_path / "run", writer)
    (note,) = (one["text"] for one in stages.notes(tmp_path / "run") if one["stage"] == "refill")
    assert note.endswith("of 400 rows are accepted after 1 refill: a larger --refill makes more.")


def test_stages_whose_labels_begin_alike_keep_their_measures_apart(data, tmp_path):
    plan = [{"minhash": {"as": "dedup", "compare": "question", "threshold": 0.99}},
            {"minhash": {"as": "dedup_answers", "compare": "answer", "threshold": 0.99}}, {"longest": {}}]  # fmt: skip
    frame, _, _ = lifted(parse({"data": data, "stages": plan, "n": 4}), tmp_path / "run", writer)
    (dropped,) = [line for line in audit.why(frame, "0") if line.strip().startswith("dedup:")]
    assert "answers" not in dropped
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    measures = {(one["stage"], one["measure"]) for one in summary["controls"]}
    assert all(measure.startswith("dedup_answers_") == (stage == "dedup_answers") for stage, measure in measures)


def test_two_stages_of_one_maker_and_their_further_makings_are_files_apart(data, tmp_path):
    values = {"data": data, "llm": "x", "stages": ["exact", *[{"evolve": {"rounds": 1}}] * 2], "n": 100, "refill": 1}
    frame, asked, _ = lifted(parse(values), tmp_path / "run", writer)
    files = {path.stem for path in (tmp_path / "run" / "made").glob("*.parquet")}
    assert files == {"evolve", "evolve.2", "evolve-2", "evolve-2.2"}
    assert frame.height - ROWS == sum(text.startswith("You revise tasks") for text in asked)  # none is made twice


def test_a_maker_of_few_rows_makes_one_more_of_each_where_many_are_missing(data, tmp_path):
    stages = [{"evolve": {"rounds": 1, "as": "first"}}, "exact", {"evolve": {"rounds": 1}}]
    lifted(parse({"data": data, "llm": "x", "stages": stages, "n": 100, "refill": 1}), tmp_path / "run", writer)
    further = outcomes.read(tmp_path / "run" / "made" / "first.2.parquet")
    assert len(further.kept) + len(further.dropped) == ROWS


def test_no_two_stages_share_a_label(data):
    stages = [{"exact": {"as": "exact-3"}}, "exact", "exact", "exact"]
    assert [stage.name for stage in parse({"data": data, "stages": stages}).plan] == [
        "exact-3",
        "exact",
        "exact-2",
        "exact-4",
    ]


def test_a_budget_that_ends_while_more_is_made_leaves_the_rows_that_are_there(data, tmp_path):
    values = {"data": data, "llm": "x", "stages": ["exact", {"evolve": {"rounds": 1}}, "longest"], "n": 40, "refill": 9}
    frame, _, left = lifted(parse(values), tmp_path / "run", writer, max_requests=33)
    assert 15 < frame.filter(verdict="kept").height < 40
    assert "max_requests 33" in left["refill"][0] and not (tmp_path / "run" / "DONE").exists()
    frame, _, left = lifted(parse(values), tmp_path / "run", writer)
    assert frame.filter(verdict="kept").height == 40 and not left
    assert len(list(runs.events(tmp_path / "run", sizes.SITTING))) == 2


def test_without_a_last_selector_as_many_are_drawn(data, tmp_path):
    frame, _, _ = lifted(Settings(data=data, quality="", keep_variety=1, n=7), tmp_path / "run", writer)
    assert frame.filter(verdict="kept").height == 7
    assert yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())["quality"] == ""
