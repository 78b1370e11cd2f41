"""The rows of scale smol: made of copies in the layout of the published ones, and walked in miniature."""

import gzip
import json

import polars as pl
import pytest

from leaven.errors import UserError
from leaven.rows import files
from leaven.runs import folder as runs
from leaven.runs.progress import stderr
from leaven.study import published, reproduce, reproduction
from leaven.study.reproduce import Order
from leaven.study.run import SCHEMA, run
from leaven.study.sources import resolve
from leaven.view import reproduction as pages

ANSWERS = [f"{{'thought': 'it says {n}', 'hallucination': '{'yes' if n % 5 else 'no'}'}}" for n in range(100)]
THINGS = "river apple lamp stone cloud bird chair wheel tower glove candle basket mirror ladder anchor feather".split()
TOWNS = "Oslo Rome Lima Cairo Quito Delhi Tokyo Paris Minsk Sofia Accra Hanoi Perth Turin Genoa Basel".split()
LEAK = 7
"""A row of DELIA's that TELL's test has too."""


def said(number):
    return f"{THINGS[number % 16]} number {number} of {TOWNS[number // 16 % 16]} stands beside the {number + 7} others"


def context(number):
    return f"'relatives' : \n'user_query' : Tell of {said(number)}\n'chatgpt_response' : It is {said(number)}."


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """A folder laid out as the published files are, with rows of our own."""
    folder = tmp_path_factory.mktemp("copies")

    def write(name, text):
        (folder / name).parent.mkdir(exist_ok=True)
        data = text.encode()
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)

    ways = [f"Check it. The format requirement is <sep>, {n} times." for n in range(60)]
    turns = [
        [
            {"role": "user", "content": f"\n{context(n)}\n\n\n{ways[n % 60]}"},
            {"role": "assistant", "content": ANSWERS[n]},
        ]
        for n in range(100)
    ]
    write("delia_halu/train_dataset.jsonl", "".join(json.dumps({"messages": turn}) + "\n" for turn in turns))
    tell = [LEAK, *range(1000, 1030)]
    prompts = [f"Role and Goal: judge.\n\nConsider the following task:\n{context(n)}" for n in tell]
    write("tell_halu/test_Halu_CoT_JSON.shared.jsonl",
          "".join(json.dumps({"prompt": prompt, "response": "no"}) + "\n" for prompt in prompts))  # fmt: skip
    rows = [{"instruction": f"Say what {said(n)} is.", "input": "", "output": f"It is {said(n + 1)}."}
            for n in range(2000, 2700)]  # fmt: skip
    rows += [{"instruction": "Add to it.", "input": said(n), "output": f"Adds {n}."} for n in range(3000, 3200)]
    write("alpaca_52k/alpaca_data.jsonl.gz", "".join(json.dumps(row) + "\n" for row in rows))
    for part in ("newsdev2021", "newstest2021"):
        start = 4000 if part == "newsdev2021" else 5000
        for way, (_, source, target) in published.DIRECTIONS.items():
            lines = [f"{said(n)} {way}" for n in range(start, start + 120)]
            write(f"wmt21_enis/{part}.{way}{source}", "\n".join(lines) + "\n")
            write(f"wmt21_enis/{part}.{way}{target}", "\n".join(line.upper() for line in lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def written(copies, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    published.write(list(published.TASKS), copies, folder)
    return folder


def task_of(study, copies, folder):
    recipe = reproduce.read(study, Order("smol", [0], folder, data=copies)).model_copy(update={"model": "lab"})
    return resolve(recipe, folder / study, stderr())[1]


def test_every_task_has_its_rows(written):
    assert len(files.read(written / "halu.jsonl").kept) == 100
    assert len(files.read(written / "halu.test.jsonl").kept) == 31
    for name in ("json", "list"):
        train, test = (files.read(written / f"{name}{part}.jsonl").kept for part in ("", ".test"))
        assert (len(train), len(test)) == (published.TRAIN, published.TEST)
        assert not {row.question for row in train} & {row.question for row in test}
        assert all(row.question.endswith(published.REQUEST) for row in (*train, *test))
    translations = files.read(written / "translation.jsonl").kept
    assert {row.meta["direction"] for row in translations} == {"en-is", "is-en"}
    assert translations[0].question.startswith("Translate to Icelandic: ") and len(translations) == 200


def test_tells_rows_are_asked_with_the_token_and_without_tells_own_prompt(written):
    row = files.read(written / "halu.test.jsonl").kept[1]
    assert row.question.startswith("'relatives'") and row.question.endswith(published.REQUEST)
    assert "Role and Goal" not in row.question and row.answer == "no"


def test_what_training_has_seen_is_not_scored(copies, tmp_path):
    task = task_of("halu", copies, tmp_path)
    assert "Leak check: 1 of 31 rows of task leaked and are left out." in task.notes
    assert [drop.example.origin.place for where, drop in task.dropped if where == "task"] == ["halu.test.jsonl:1"]
    assert all(said(LEAK) not in row.question for test in task.tests for row in test.rows)


def test_the_page_says_how_many_rows_were_left_out(tmp_path):
    notes = ["halu.jsonl: 100 rows", "Leak check: 34 of 1,006 rows of task leaked and are left out.",
             "Leak check: 0 of 400 rows of pool leaked and are left out."]  # fmt: skip
    runs.write_json(tmp_path / "halu" / "summary.json", {"notes": notes, "tests": {}})
    order = Order("smol", [0], tmp_path)
    assert [reproduce.about(study, order).leaks for study in ("halu", "json")] == [(notes[1],), ()]
    spec = reproduction.spec("table2", "smol")
    page = pages.markdown(pages.Section("table2", spec, [], [], [], "smol", "halu", {}, [notes[1]]))
    assert "*Leak check: 34 of 1,006 rows of task leaked and are left out.*" in page


def test_the_pool_gives_no_task_away_and_is_the_same_for_all(copies, tmp_path):
    """So that a seed's self-samples are made once for all studies."""
    pools = []
    for name in ("json", "list", "halu"):
        task = task_of(name, copies, tmp_path)
        assert "Leak check: 0 of 400 rows of pool leaked and are left out." in task.notes
        pools.append([row.id for row in task.pool])
    assert pools[0] == pools[1] == pools[2]


def test_a_copy_that_is_not_there_is_named(copies, tmp_path):
    with pytest.raises(UserError, match=r"has no alpaca_52k/alpaca_data\*"):
        published.write(["json"], tmp_path, tmp_path / "data")
    with pytest.raises(UserError, match="none of them ship") as caught:
        reproduce.read("json", Order("smol", [0], tmp_path))
    assert "--data FOLDER" in caught.value.hint


def test_copies_that_are_not_needed_may_be_missing(copies, tmp_path):
    (tmp_path / "alpaca_52k").symlink_to(copies / "alpaca_52k")
    published.write(["list"], tmp_path, tmp_path / "data")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "list.jsonl",
        "list.test.jsonl",
        "pool.jsonl",
    ]


def in_miniature(study, order, labels):
    """The study as it ships, on the lab's model, with a few rows and words."""
    recipe = reproduce.read(study, order)
    few = {"limit_test": 2, "ceiling_questions": 1, "max_new_tokens": 4}
    return recipe.model_copy(
        update={
            "model": "lab",
            "sizes": (4,),
            "probes": ("layers",),
            "methods": tuple(m.model_copy(update={"sizes": ()}) for m in recipe.methods if m.label in labels),
            "sample": recipe.sample.model_copy(update={"max_new_tokens": 4}),
            "evaluate": recipe.evaluate.model_copy(update=few),
        }
    )


def test_a_study_in_miniature_gives_tables_and_shares_its_pool(copies, tmp_path):
    order = Order("smol", [0], tmp_path, data=copies)
    recipe, task = resolve(in_miniature("json", order, ("original", "no_buffer", "delia")), tmp_path / "json", stderr())
    place = run(recipe, task, tmp_path / "json", stderr(), pool=tmp_path / "pool")
    scores = pl.read_parquet(place / "scores.parquet")
    (table,) = reproduction.tables("table1", scores, "smol")
    assert [name for name, _ in table.rows] == ["Random", "DELIA without its buffer", "DELIA"]
    (soft,) = reproduction.tables("demo", scores, "smol")
    assert len(soft.rows) == 4 and soft.rows[3][1][0].ours is not None
    untestable = {name.partition("/")[0] for name in reproduce.about("json", order).untestable}
    assert untestable <= {test.name for test in task.tests} | {"soft_prompt"}
    assert sorted(path.name for path in (tmp_path / "pool").iterdir()) == ["seed-0"]
    assert not (place / "pool").exists()
    steps = {m: json.loads((place / f"cells/{m}-n4-s0/cell.json").read_text())["steps"] for m in ("no_buffer", "delia")}
    assert steps == {"no_buffer": 3, "delia": 3}


def test_what_is_finished_is_shown_without_running_anything(copies, tmp_path):
    """Also of a run that was stopped between two cells, which has no table of its scores yet."""
    order = Order("smol", [0], tmp_path, as_is=True)
    assert reproduce.scores("json", ["table2"], order).is_empty()
    for label, done in (("delia", True), ("common", False)):
        place = tmp_path / "json" / "cells" / f"{label}-n100-s0"
        frame = pl.DataFrame([(label, 100, 0, "general/leak", "i", 0.0)], schema=SCHEMA, orient="row")
        runs.stage(place / "scores.parquet", frame.write_parquet)
        if done:
            runs.close(place)
    assert reproduce.scores("json", ["table2"], order)["method"].to_list() == ["delia"]
