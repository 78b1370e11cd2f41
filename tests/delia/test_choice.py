"""A buffer that a selector chooses: which rows, of how many, the same on every run, and said where it is written."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from leaven import plugs
from leaven.delia import choice as choices
from leaven.delia.choice import Choice, Circumstances
from leaven.errors import UserError
from leaven.lift import embedding
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair

WORDS = "Paris Madrid France Spain capital model label claim json one two three".split()
ROWS = Dataset.of(pair(f"{word} {WORDS[place // 2]}?", word * 3, Origin("x")) for place, word in enumerate(WORDS))
TASK = Dataset.of(pair(f"Use the <sep> format. {word} capital", "{}", Origin("x")) for word in ("France", "Paris"))
AROUND = Circumstances(TASK, "<sep>", 0, "unused")


def chosen(n=4, **settings):
    return [row.id for row in choices.choose(ROWS, n, Choice(embedder="lsa", **settings), AROUND)]


def likeness_by_hand():
    """The cosine of each row's question to the nearest of the task's, which are read without their phrasing."""
    asked = [row.question for row in ROWS] + ["France capital", "Paris capital"]
    questions = Dataset.of(pair(text, "", Origin("x")) for text in asked)
    unit = embedding.vectors_of(questions, "lsa", "question", choices.stderr()).unit()
    return [max(float(row @ task) for task in unit[len(ROWS) :]) for row in unit[: len(ROWS)]]


def test_near_and_far_go_by_the_nearest_question_of_the_task():
    order = np.argsort(-np.asarray(likeness_by_hand()), kind="stable")
    ids = [row.id for row in ROWS]
    assert chosen(selector="near") == [ids[place] for place in sorted(order[:4])]
    far = np.argsort(np.asarray(likeness_by_hand()), kind="stable")
    assert chosen(selector="far") == [ids[place] for place in sorted(far[:4])]


@pytest.mark.parametrize("selector", ["random", "k_center", "variety", "longest", "facility_location"])
def test_selectors_of_lift_choose_as_they_do_for_curate(selector):
    from leaven.lift import select

    plug = plugs.load("selectors", selector)
    settings = {"n": 4} | ({"seed": 0} if "seed" in plug.NEEDS else {})
    settings |= {"embedder": "lsa"} if "vectors" in plug.NEEDS else {}
    assert chosen(selector=selector) == [row.id for row in select.select(selector, ROWS, settings).kept]
    assert chosen(selector=selector) == chosen(selector=selector)


def test_all_rows_are_kept_where_there_are_no_more_and_none_where_none_are_wanted():
    assert chosen(20, selector="near") == [row.id for row in ROWS] and chosen(0, selector="k_center") == []


def test_a_choice_that_cannot_be_made_is_refused_before_anything_is_sampled():
    for settings, word in [
        ({"selector": "nera"}, "near"),
        ({"selector": "near", "embedder": "lsaa"}, "lsa"),
        ({"selector": "variety"}, "minilm"),  # none is on a machine of these tests
    ]:
        with pytest.raises(UserError) as caught:
            choices.check(Choice(**settings))
        assert word in caught.value.problem + caught.value.hint
    delia, task = plugs.load("methods", "delia"), SimpleNamespace(pool=ROWS)
    for values, word in [
        ({"buffer": "task", "choose": {"selector": "random"}}, "buffer: task has none"),
        ({"choose": {"selector": "random", "rows": "queries"}}, "the model writes them itself"),
    ]:
        with pytest.raises(UserError, match=word):
            delia.check(delia.Config(**values), task if "buffer" in values else SimpleNamespace(pool=Dataset.of([])))


@pytest.mark.parametrize("what", ["samples", "queries"])
def test_a_choice_of_fewer_rows_than_were_meant_is_said(bench, train, what):
    plug, made = plugs.load("methods", "delia"), bench(queries=10)
    choose = {"selector": "random", "of": 4, "rows": what}
    plug.fit(train(4), made, plug.Config(ratio=1, choose=choose, tune={"max_steps": 1}))
    (note,) = (note for note in made.ledger.notes if "chose" in note)
    count = len(made.pool.own(16, 0).kept) if what == "samples" else 10  # an empty answer is no sample
    assert note == f"Of {count} {what}, random chose the buffer's 4. 16 were meant: bring more queries."


@pytest.mark.parametrize(("what", "sampled"), [("samples", 16), ("queries", 4)])
def test_delia_trains_on_what_was_chosen_of_several_times_as_many(bench, train, what, sampled):
    plug, buffers = plugs.load("methods", "delia"), []
    for _ in range(2):
        made = bench()
        choose = {"selector": "k_center", "of": 4, "rows": what, "embedder": "lsa"}
        plug.fit(train(4), made, plug.Config(ratio=1, choose=choose, tune={"max_steps": 1}))
        mixture = Dataset.load(made.folder / "data" / "mixture.parquet")
        buffers.append([row.id for row in mixture if row.meta["mixture"] == "diverse"])
        (note,) = (note for note in made.ledger.notes if "chose" in note)
        assert note == f"Of 16 {what}, k_center chose the buffer's 4."
        steps = json.loads((made.folder / "mix.json").read_text())["made_by"]
        assert f"k_center(4 of 16 {what})" in steps
    files = list((made.pool.folder / "seed-0").glob("*.parquet"))
    assert buffers[0] == buffers[1] and len(buffers[0]) == 4
    assert sum(len(Dataset.load(path)) for path in files if "dropped" not in path.name) >= sampled
    own = [row.id for row in made.pool.own(16, 0).kept]
    assert (set(buffers[0]) <= set(own)) or what == "queries"
