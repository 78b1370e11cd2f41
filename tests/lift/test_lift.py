"""A lift from rows to report with scripted makers and a scripted judge: nothing lost, nothing done twice."""

import io
import json
from contextlib import nullcontext
from types import SimpleNamespace

import polars as pl
import pytest

from leaven import plugs
from leaven.errors import Unfinished, UserError
from leaven.lift import audit, curate, expand, run
from leaven.lift.selection import Scores, Size, outcome
from leaven.lift.settings import Settings
from leaven.llm.budget import Budgeted, Counted, Spend
from leaven.llm.engines.scripted import Scripted
from leaven.llm.protocol import Sampling
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin, user
from leaven.rows.outcomes import Outcome
from leaven.runs.lock import lock
from leaven.runs.progress import Progress
from leaven.section import Section
from leaven.view import lift as report

WORDS = "river boat stone cloud apple train violin desk moon salt candle bridge forest clock engine harbour".split()


@pytest.fixture
def data(tmp_path):
    lines = [
        json.dumps({"instruction": f"Tell of the {a} and the {b}.", "input": "", "output": f"The {a} {b} " * (i + 1)})
        for i, (a, b) in enumerate((a, b) for a in WORDS[:6] for b in WORDS[6:11])
    ]
    lines.insert(3, "{broken")
    lines.append(json.dumps({"instruction": "No answer.", "input": "", "output": ""}))
    (tmp_path / "d.jsonl").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "d.jsonl")


class Reanswer:
    REPLACES = "answered anew"

    class Config(Section):
        pass

    @staticmethod
    def make(data, llm, config, seed):
        """Every third reply is of no use."""
        replies = dict(llm.replies([row.prompt for row in data], Sampling(seed=seed)))
        rows, gone = [], []
        for place, row in enumerate(data):
            made = Example(
                (*row.prompt, Message("assistant", f"{replies[place].text} {place}")),
                Origin("reanswer", parents=(row.id,), model=llm.name, prompt="abc"),
                {"round": 0},
            )
            gone.append(Drop(made, "empty reply")) if place % 3 == 2 else rows.append(made)
        return Outcome(Dataset.of(rows), tuple(gone))


class Evolve:
    class Config(Section):
        rounds: int = 2

    @staticmethod
    def make(data, llm, config, seed):
        rows = []
        for number in range(1, config.rounds + 1):
            asked = [user(f"harder {number}: {row.question}") for row in data]
            for place, reply in llm.replies(asked, Sampling(seed=seed)):
                messages = (*asked[place], Message("assistant", f"{reply.text} {number} {place}"))
                origin = Origin("evolve", parents=(data[place].id,), model=llm.name)
                rows.append(Example(messages, origin, {"round": number, "strategy": "deepen"}))
        return Outcome(Dataset.of(rows))


class Judge:
    NEEDS = ("llm",)
    Config = type("Config", (Size,), {"__doc__": "How many."})

    @staticmethod
    def score(data, config, context):
        said = dict(context.llm.replies([user(row.question) for row in data], Sampling(0)))
        values = [float(len(row.question) * 7 % 53) for row in data]
        assert len(said) == len(data)
        return Scores({"judge": values}, notes=("two rows tie: <b>often</b>",))

    @staticmethod
    def choose(data, scores, config, context):
        best = sorted(range(len(data)), key=lambda row: -scores.columns["judge"][row])[: config.of(len(data))]
        return outcome(data, best, "judge", "not good enough", scores.columns)


@pytest.fixture
def plugged(monkeypatch):
    """Stand-ins for the makers and the judge, and how often each was called."""
    real, called = plugs.load, []
    known = {("makers", "reanswer"): Reanswer, ("makers", "evolve"): Evolve, ("selectors", "quality"): Judge}

    def load(folder, name, also=()):
        if (folder, name) not in known:
            return real(folder, name, also)
        part = known[folder, name]
        work = "score" if folder == "selectors" else "make"
        free = {"choose": part.choose} if folder == "selectors" else {}

        def counted(*given):
            called.append(name)
            return getattr(part, work)(*given)

        return SimpleNamespace(
            Config=part.Config,
            NEEDS=getattr(part, "NEEDS", ()),
            REPLACES=getattr(part, "REPLACES", ""),
            **{work: counted},
            **free,
        )

    monkeypatch.setattr(plugs, "load", load)
    return called


def lifted(chosen, folder, engine=None, **how):
    opened = []

    def open_llm(spec, what):
        opened.append(spec)
        llm, spend = engine or Scripted(lambda prompt, draw: f"Well: {prompt[-1].content[:30]}"), Spend()
        return nullcontext(Counted(Budgeted(llm, spend), spend))

    run.run(chosen, folder, Progress(io.StringIO()), open_llm, **how)
    return opened


def settings_of(data, **values):
    settings = {"llm": "x", "rounds": 2, "keep_variety": 0.5, "n": 12, "dedup": "exact", "embedder": "lsa:8"}
    return Settings(data=data, **{**settings, **values})


def test_every_row_that_ever_existed_is_in_the_audit(data, tmp_path, plugged):
    lifted(settings_of(data), tmp_path / "run")
    frame = audit.read(tmp_path / "run")
    # 31 rows that could be read, 1 that could not; 31 answered anew, 10 of them without use; two rounds of 31
    assert frame.height == 31 + 1 + 31 + 62
    assert frame["row"].to_list() == list(range(frame.height))
    counts = dict(frame.group_by("stage").len().iter_rows())
    assert counts["read"] == 1
    assert counts["reanswer"] == 21 + 10  # an old answer leaves where there is a new one
    assert counts[""] == frame.filter(pl.col("verdict") == "kept").height == 12
    assert sum(counts.values()) == frame.height
    assert frame.filter((pl.col("verdict") == "dropped") & (pl.col("reason") == "")).is_empty()
    kept = Dataset.load(tmp_path / "run" / "kept.parquet")
    assert [row.id for row in kept] == frame.filter(pl.col("verdict") == "kept")["id"].to_list()
    evolved = frame.filter(pl.col("step") == "evolve")
    assert (evolved["question"].str.split(": ").list.last() == frame["question"].gather(evolved["parent"])).all()
    judged = frame.filter(pl.col("quality_judge").is_not_null())
    assert judged.filter(pl.col("verdict") == "kept")["quality_rank"].max() == 12
    assert len((tmp_path / "run" / "kept.jsonl").read_text().splitlines()) == 12


def test_a_maker_none_of_whose_replies_is_a_row_stops_the_lift_before_more_is_paid(
    data, tmp_path, plugged, monkeypatch
):
    def useless(rows, llm, config, seed):
        return Outcome(Dataset.of(()), tuple(Drop(row, "the rewriting can't be read") for row in rows))

    monkeypatch.setattr(Evolve, "make", staticmethod(useless))
    with pytest.raises(Unfinished, match=r"evolve made no row of 31 replies .*31 dropped: the rewriting can't be read"):
        lifted(settings_of(data), tmp_path / "run")
    assert "quality" not in plugged
    lifted(settings_of(data, failures=1), tmp_path / "run")
    assert (tmp_path / "run" / "DONE").exists() and "quality" in plugged


def test_the_nearest_kept_row_is_the_nearest_but_itself(data, tmp_path, plugged):
    import numpy as np

    lifted(settings_of(data), tmp_path / "run")
    frame = audit.read(tmp_path / "run").filter(pl.col("variety").is_not_null())
    unit = np.load(tmp_path / "run" / "embeddings.npy")
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    kept = [place for place, verdict in enumerate(frame["verdict"]) if verdict == "kept"]
    for place, (found, cosine) in enumerate(frame.select("nearest_kept", "nearest_cosine").iter_rows()):
        best = max(unit[place] @ unit[other] for other in kept if other != place)
        assert cosine == pytest.approx(float(best), abs=1e-5)
        assert frame["row"].to_list().index(found) in kept


def test_a_lift_that_was_stopped_does_nothing_twice(data, tmp_path, plugged, monkeypatch):
    engine = Scripted(lambda prompt, draw: "a text")

    for module, stopped in ((expand, "answered"), (curate, "embedded"), (curate, "scored"), (audit, "write")):
        with monkeypatch.context() as patch:
            patch.setattr(module, stopped, stop)
            with pytest.raises(KeyboardInterrupt):
                lifted(settings_of(data), tmp_path / "run", engine)
    lifted(settings_of(data), tmp_path / "run", engine)
    lifted(settings_of(data), tmp_path / "run", engine)
    assert plugged == ["reanswer", "evolve", "quality"]
    whole = tmp_path / "whole"
    lifted(settings_of(data), whole, engine)
    assert audit.read(whole).equals(audit.read(tmp_path / "run"))


def test_other_thresholds_need_no_call(data, tmp_path, plugged):
    lifted(settings_of(data), tmp_path / "a")
    calls = len(plugged)
    assert lifted(settings_of(data, n=5), tmp_path / "b", source=tmp_path / "a") == []
    assert len(plugged) == calls
    lifted(settings_of(data, n=5), tmp_path / "c")
    again, fresh = (audit.read(tmp_path / name) for name in "bc")
    assert again["verdict"].equals(fresh["verdict"])
    assert again["quality_judge"].equals(fresh["quality_judge"])
    with pytest.raises(UserError, match="were never scored"):
        lifted(settings_of(data, keep_variety=0.9), tmp_path / "d", source=tmp_path / "a")
    assert not (tmp_path / "d").exists()
    lifted(settings_of(data, keep_variety=0.4), tmp_path / "d", source=tmp_path / "a")
    with pytest.raises(UserError, match="no finished lift"):
        lifted(settings_of(data), tmp_path / "e", source=tmp_path)


def test_rows_of_another_lift_are_not_poured_into_an_unfinished_one(data, tmp_path, plugged, monkeypatch):
    lifted(settings_of(data), tmp_path / "a")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(expand, "read", stop)
        lifted(settings_of(data, n=5), tmp_path / "b")
    before = set((tmp_path / "b").rglob("*"))
    with pytest.raises(UserError, match="from was not set and is a"):
        lifted(settings_of(data, n=5), tmp_path / "b", source=tmp_path / "a")
    with lock(tmp_path / "b"), pytest.raises(UserError, match=r"another process \(.*\) works in"):
        lifted(settings_of(data, n=5), tmp_path / "b", source=tmp_path / "a")
    assert set((tmp_path / "b").rglob("*")) == before


def stop(*_given, **_named):
    raise KeyboardInterrupt


def test_another_plan_in_the_same_folder_is_refused_and_each_difference_named(data, tmp_path, plugged):
    lifted(settings_of(data), tmp_path / "run")
    with pytest.raises(UserError) as refused:
        lifted(settings_of(data, n=11, keep_variety=0.4), tmp_path / "run")
    assert refused.value.problem == "keep_variety was 0.5 and is 0.4; n was 12 and is 11"
    assert f"leaven lift --from {tmp_path}/run --out FOLDER" in refused.value.hint


def test_edited_rows_are_named_with_the_stage_that_was_done_and_gone_over_on_demand(
    data, tmp_path, plugged, monkeypatch
):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(curate, "embedded", stop)
        lifted(settings_of(data), tmp_path / "run")
    with open(data, "a", encoding="utf-8") as file:
        file.write(json.dumps({"instruction": "One more.", "input": "", "output": "Here."}) + "\n")
    with pytest.raises(UserError, match=r"^d\.jsonl has changed since the stage answers\n"):
        lifted(settings_of(data), tmp_path / "run")
    lifted(settings_of(data), tmp_path / "run", continue_anyway=True)
    notes = [note["text"] for note in report.read(tmp_path / "run")["notes"] if note["stage"] == "journal"]
    assert len(notes) == 1 and notes[0].endswith("although d.jsonl has changed since the stage answers.")


def test_the_report_of_a_finished_lift_is_not_drawn_again(data, leaven, monkeypatch):
    words = ("lift", data, "--quality", "length", "--n", "5", "--embedder", "lsa:4", "--out", "run")
    first = leaven(*words)
    monkeypatch.setattr(report, "write", lambda folder: pytest.fail("drawn"))
    assert (leaven(*words).out, first.code) == (first.out, 0)
    assert "leaven lift --from run --n 2 --out FOLDER" in first.out


def test_a_finished_lift_that_was_moved_says_when_and_does_nothing(data, tmp_path, plugged):
    lifted(settings_of(data), tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    calls, said = len(plugged), io.StringIO()
    run.run(settings_of(data), tmp_path / "moved", Progress(said), lambda spec, what: pytest.fail("asked"))
    assert said.getvalue().startswith(f"{tmp_path}/moved: finished at 20")
    assert said.getvalue().endswith(", nothing to do.\n") and len(plugged) == calls


def test_a_lift_of_an_earlier_leaven_is_read_but_not_gone_on_with(data, tmp_path, plugged):
    lifted(settings_of(data), tmp_path / "run")
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(UserError, match="was begun by an earlier leaven"):
        lifted(settings_of(data), tmp_path / "run")
    assert report.text(tmp_path / "run")
    assert lifted(settings_of(data, n=5), tmp_path / "new", source=tmp_path / "run") == []


def test_without_an_engine_nothing_is_asked(data, tmp_path, plugged):
    assert lifted(settings_of(data, llm="", quality="length"), tmp_path / "run") == []
    frame = audit.read(tmp_path / "run")
    assert frame.filter(pl.col("reason") == "no answer").height == 1
    with pytest.raises(UserError, match="needs a judge"):
        lifted(settings_of(data, llm=""), tmp_path / "other")


def test_an_answer_of_blanks_is_none_and_leaves_before_it_is_chosen(data, tmp_path, plugged):
    blank = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": " "}]
    rows = [{"messages": [blank[0], {"role": "assistant", "content": f"{n} " * n}]} for n in range(1, 12)]
    (tmp_path / "blank.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"messages": blank}]))
    settings = settings_of(str(tmp_path / "blank.jsonl"), llm="", quality="length", keep_variety=1, n=12)
    assert lifted(settings, tmp_path / "run") == []
    frame = audit.read(tmp_path / "run")
    assert frame.filter(pl.col("reason") == "no answer")["row"].to_list() == [11]
    assert (tmp_path / "run" / "export" / "train.jsonl").is_file()


def test_why_tells_the_story_by_number_place_and_id(data, tmp_path, plugged):
    lifted(settings_of(data), tmp_path / "run")
    frame = audit.read(tmp_path / "run")
    kept = frame.filter((pl.col("verdict") == "kept") & pl.col("parent").is_not_null()).row(0, named=True)
    story = "\n".join(audit.why(frame, str(kept["row"])))
    assert "kept" in story
    assert f"from row {kept['parent']}" in story
    assert "quality: judge" in story
    original = "\n".join(audit.why(frame, str(kept["parent"])))
    assert f"became row {kept['row']} by {kept['step']}, kept" in original
    assert "broken JSON" in "\n".join(audit.why(frame, "d.jsonl:4"))
    assert kept["id"] in "\n".join(audit.why(frame, kept["id"][:9]))
    with pytest.raises(UserError, match="no row is called"):
        list(audit.why(frame, "zzz"))


def test_the_report_escapes_rows_and_has_every_part(data, tmp_path, plugged):
    with open(data, "a", encoding="utf-8") as file:
        file.write(json.dumps({"instruction": "<script>alert(1)</script>", "input": "", "output": "</script>"}) + "\n")
    engine = Scripted(lambda prompt, draw: "<img src=x onerror=alert(1)>")
    lifted(settings_of(data), tmp_path / "run", engine)
    page = report.write(tmp_path / "run").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    for part in ("length matched", "Vendi score", "Where the rows came from", "tokens in", "chart-map", "deepen"):
        assert part in page
    assert "quality: two rows tie: &lt;b&gt;often&lt;/b&gt;" in page
    assert "variety (paper): " in page
    assert "12 of" in report.text(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run" / "charts").iterdir()} >= {"map.svg", "map.png", "lengths.svg"}
    cost = {one["stage"]: one for one in report.read(tmp_path / "run")["cost"]}
    assert cost["reanswer"]["calls"] == 32
    assert cost["evolve"]["calls"] == 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--quality", "length", "--n", "5", "--embedder", "lsa:4", "--out", "run"], "5 of 32 rows are kept"),
        (["--quality", "qualty", "--out", "run", "--judge", "scripted:x"], "qualty"),
        (["--keep-variety", "3", "--out", "run"], "--keep-variety"),
        (["--embeddings", "no.npy", "--quality", "length", "--out", "run"], "no.npy does not exist"),
    ],
)
def test_the_command(data, leaven, words, said):
    done = leaven("lift", data, *words)
    assert said in done.out + done.err
    assert "Traceback" not in done.err
    assert done.code == (0 if "kept" in said else 2), done.err
