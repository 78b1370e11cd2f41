"""The parts of a bench, each alone, and that they share one base model."""

import json
from dataclasses import replace

import pytest

from leaven.delia.ledger import Ledger
from leaven.delia.settings import TuneChanges, with_changes
from leaven.errors import UserError
from leaven.models import base as bases
from leaven.models import mask
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Origin, pair, user
from leaven.rows.outcomes import Outcome
from leaven.task.format import open_format
from leaven.task.wording import content


def test_a_ledger_keeps_what_is_told_and_adds_up_seconds():
    ledger, row = Ledger(), pair("q", "a", Origin("x"))
    rows = ledger.keep(Outcome(Dataset.of([row]), (Drop(row, "too long"),), ("a note",)))
    assert [example.id for example in rows] == [row.id]
    assert (ledger.notes, [drop.reason for drop in ledger.dropped]) == (["a note"], ["too long"])
    for _ in range(2):
        with ledger.timed("fit"):
            before = ledger.seconds.get("fit", 0)
    assert ledger.seconds["fit"] > before > 0


def test_the_base_is_loaded_once_for_the_pool_the_tuner_and_the_untouched_model(bench, train, monkeypatch):
    loads = []
    load = bases.load
    monkeypatch.setattr(bases, "load", lambda *args, **options: loads.append(args) or load(*args, **options))
    made = bench()
    made.diverse(3)
    made.tune(train(4), max_steps=1)
    made.tune(train(4), max_steps=1)
    made.base().respond([user("one")])
    assert len(loads) == 1


def test_tuning_leaves_the_base_as_it_was(bench, train):
    made = bench()
    before = made.base().respond([user("one two three")])
    tuned = made.tune(train(8), max_steps=6)
    weights = made.model.lend().model.state_dict()
    assert not any("lora" in name for name in weights) and tuned.loaded is not None
    assert made.base().respond([user("one two three")]) == before


def test_the_draws_of_a_pool_are_nested_and_shared_by_its_folder(bench):
    pool = bench().pool
    few, many = pool.own(5, 0), pool.own(12, 0)
    assert [row.id for row in many.kept][:5] == [row.id for row in few.kept]
    assert [row.question for row in pool.own(5, 1).kept] != [row.question for row in few.kept]
    chunks = {path: path.stat().st_mtime_ns for path in pool.folder.rglob("*.parquet")}
    assert chunks and bench().diverse(5).frame.equals(few.kept.frame)
    assert all(path.stat().st_mtime_ns == time for path, time in chunks.items() if "seed-0" in str(path))
    assert len(pool.own(0, 7).kept) == 0 and not (pool.folder / "seed-7").exists()


def test_a_pool_that_is_too_small_is_asked_again_once_a_pass_and_each_reply_is_a_draw_of_its_own(bench):
    pool = bench(queries=6).pool
    once, twice = pool.own(6, 0), pool.own(12, 0, draws=2)
    assert [row.id for row in twice.kept][:6] == [row.id for row in once.kept] and not twice.notes
    questions = [row.question for row in twice.kept]
    assert questions[:6] == questions[6:] and len(set(questions)) == 6
    assert [row.answer for row in twice.kept][:6] != [row.answer for row in twice.kept][6:]
    assert "2 of 14 rows are missing: the pool of 6 queries ran out" in pool.own(14, 0, draws=2).notes


def test_a_buffer_that_is_too_small_is_said_once_before_the_training(bench, capsys):
    made = bench(queries=6)
    note = "8 of 14 rows are missing: the pool of 6 queries ran out"
    for trial in (made, replace(made, pool=replace(made.pool, queries=made.pool.queries)), made):
        trial.diverse(14)
    assert note in made.ledger.notes
    said = capsys.readouterr().err.splitlines()
    assert said == [f"self-sampling, seed 0: {note}. Bring more queries, or take a smaller ratio."]


@pytest.mark.parametrize("reword", [False, True])
def test_every_pass_of_a_mixture_holds_all_task_rows_and_diverse_rows_of_its_own(bench, train, reword):
    made, task = bench(tune={"step_task_rows": 2}), train(4)
    diverse = made.diverse(20)
    mixture = made.mix(task, diverse, 2, reword=reword)
    once = made.mix(task, diverse.rows(list(range(10))))
    assert [row.id for row in mixture][:14] == [row.id for row in once]
    first, second = ([row for row in mixture][start : start + 14] for start in (0, 14))
    for part, own in ((first, list(diverse)[:10]), (second, list(diverse)[10:])):
        assert {row.id for row in part if row.meta["mixture"] == "diverse"} == {row.id for row in own}
        contents = [content(row.question, "<sep>") for row in part if row.meta["mixture"] == "task"]
        assert sorted(contents) == sorted(content(row.question, "<sep>") for row in task)
    words = {row.question for row in second if row.meta["mixture"] == "task"}
    assert (words == {row.question for row in task}) is not reword


def test_a_pool_without_queries_lets_the_model_write_them(bench):
    outcome = bench(queries=0).pool.own(2, 0)
    rows = [*outcome.kept, *(drop.example for drop in outcome.dropped)]
    assert rows and {row.origin.step for row in rows} <= {"magpie", "self_sample"}


def test_bare_queries_have_no_external_answers(bench):
    made = bench()
    bare = Dataset.of(replace(row, messages=row.prompt) for row in made.pool.queries)
    with pytest.raises(UserError, match="no answers"):
        replace(made, pool=replace(made.pool, queries=bare)).external(2)


def test_changes_of_the_training_are_checked_when_a_plug_makes_them(bench, train):
    with pytest.raises(UserError, match="num_epochs: unknown key\\. Did you mean 'num_train_epochs'"):
        bench().tune(train(2), num_epochs=5)


def test_changes_keep_what_is_given_and_a_preset_brings_all_that_it_sets():
    config = TuneSection(num_train_epochs=5)
    changes = TuneChanges.model_validate({"learning_rate": "2e-3"})
    assert with_changes(config, changes) == TuneSection(num_train_epochs=5, learning_rate=2e-3)
    assert changes.model_dump() == {"learning_rate": 2e-3} and str(TuneChanges()) == "{}"
    paper = TuneChanges.model_validate({"preset": "paper", "max_steps": 3})
    assert with_changes(config, paper) == TuneSection(preset="paper", max_steps=3)


def test_the_table_of_a_mixture_is_of_the_rows_that_were_trained_each_tokenised_once(bench, train, monkeypatch):
    encoded, encode = [], mask.encode
    monkeypatch.setattr(mask, "encode", lambda tokenizer, row: encoded.append(row.id) or encode(tokenizer, row))
    made = bench(tune={"max_length": 80})
    others = [Example(user("one two"), Origin("x")), pair("one " * 200, "seven", Origin("x"))]
    tuned = made.tune(train(2) + Dataset.of(others) + train(3).rows([2]), max_steps=1)
    (part,) = json.loads((made.folder / "mix.json").read_text())["mix"]
    assert [drop.reason for drop in tuned.dropped] == ["no answer", "longer than 80 tokens"]
    assert part["rows"] == 3 and part["tokens"] == tuned.tokens and part["trained_tokens"] == tuned.trained_tokens
    assert len(encoded) == len(set(encoded)) == 4


def test_rows_of_the_buffer_that_are_too_long_take_no_step_from_the_task(bench, train):
    """The share of the task was that of all rows, so that fewer steps were taken than without a buffer."""
    tune = {"step_task_rows": 2, "max_length": 80}
    alone = bench(tune=tune).tune(train(6))
    made = bench(tune=tune)
    buffer_rows = Dataset.of(pair(f"one {i}? " + "two " * 200 * (i % 2), "seven", Origin("x")) for i in range(12))
    tuned = made.tune(made.mix(train(6), buffer_rows))
    assert len(tuned.dropped) == 6 and tuned.steps == alone.steps == 3
    parts = {part["source"]: part for part in json.loads((made.folder / "mix.json").read_text())["mix"]}
    assert {source: part["steps_touched"] for source, part in parts.items()} == {"task": 3, "diverse": 3}


@pytest.mark.parametrize(("form", "notes"), [("words:50", ["4 of 4 diverse rows answer in the format."]), ("json", [])])
def test_diverse_rows_that_are_in_the_format_anyway_are_counted(bench, form, notes):
    made = replace(bench(), format=open_format(form))
    made.diverse(4)
    assert made.ledger.notes == notes
