"""What a user does in Python: a proof from a list of dicts in five lines, and the functions beside it."""

import importlib
import inspect
import io
import json
import pydoc
import subprocess
import sys

import polars as pl
import pytest

import leaven
from leaven.errors import nearest
from leaven.lab import hallucination
from leaven.runs.progress import Progress, say_once

HEAVY = ("torch", "transformers", "datasets", "polars", "numpy", "sklearn", "altair", "aiohttp", "peft", "trl", "scipy",
         "pydantic", "typer", "yaml")  # fmt: skip
SHORT = {"sample": {"max_new_tokens": 32}, "evaluate": {"max_new_tokens": 32}}
QUICK = {**SHORT, "evaluate": {**SHORT["evaluate"], "limit_test": 10}}


@pytest.fixture(scope="module")
def rows():
    """Rows of the lab without a token in them."""
    drawn = hallucination.task("<sep>", pool_rows=1).rows.take(60, seed=0)
    asked = [row.question.removesuffix("\nUse the <sep> format.") for row in drawn]
    return [{"prompt": text, "completion": row.answer} for text, row in zip(asked, drawn, strict=True)]


@pytest.fixture(scope="module")
def proof(rows):
    quick = {**QUICK, "probes": [], "tune": {"max_steps": 3}}
    return leaven.compare(rows, ["original", "delia"], model="lab", token="<x>", ratio=1, size=20, **quick)


def test_import_is_as_light_as_help():
    code = f"import sys, leaven; dir(leaven); leaven.UserError; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_names_are_there_and_a_room_is_a_function_too():
    assert {"read", "delia", "compare", "lift", "select", "Dataset", "UserError"} <= set(dir(leaven))
    assert not {"sys", "Any", "import_module", "_load"} & set(dir(leaven))
    for room in ("delia.buffer", "lift.audit"):
        importlib.import_module(f"leaven.{room}")

    assert callable(leaven.delia) and leaven.delia.buffer.mix
    assert callable(leaven.lift) and leaven.lift.audit.why
    with pytest.raises(AttributeError, match="no attribute 'lifted'"):
        _ = leaven.lifted


@pytest.mark.parametrize(
    ("step", "call"),
    [
        ("adapt.keywords.token", lambda: leaven.delia([], model="lab")),
        ("proof.resolve", lambda: leaven.compare([], model="lab")),
        ("evaluation.examine", lambda: leaven.evaluate("lab", ["mmlu"])),
        ("curation.parse", lambda: leaven.lift([{"prompt": "Why?", "completion": "So."}])),
        ("curation.selecting.select", lambda: leaven.select("exact", [{"prompt": "Why?"}])),
    ],
)
def test_a_second_run_in_one_python_is_told_what_the_first_was(monkeypatch, caplog, step, call):
    def says(*_, **__):
        say_once("1 row is left out of the training")
        raise RuntimeError("no further")

    monkeypatch.setattr(f"leaven.api.{step}", says)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no further"):
            call()
    assert caplog.messages == ["1 row is left out of the training"] * 2


def test_the_help_of_a_room_that_is_a_function_is_the_functions():
    importlib.import_module("leaven.delia.buffer")
    assert "Adapt a model to task rows with DELIA" in pydoc.plain(pydoc.render_doc(leaven.delia))
    assert {"rows", "model", "ratio"} <= set(inspect.signature(leaven.delia).parameters)
    assert leaven.delia.__name__ == "leaven.delia" and leaven.lift.__doc__.startswith("Expand a dataset")


def test_a_selection_whose_words_are_the_wrong_way_round_says_which_way_is_right():
    with pytest.raises(leaven.UserError, match="a selector's name, and then the rows"):
        leaven.select([{"prompt": "a", "completion": "b"}], "random")


def test_a_proof_from_a_list_of_dicts(proof, tmp_path):
    assert "delia" in proof.table() and "original" in proof.table()
    assert set(proof.scores["method"]) == {"original", "delia"}
    notes = " ".join(proof.summary["notes"])
    assert "20 of the 60 rows of rows are held out for the test, drawn with seed 0" in notes
    assert "No question names <x>: each now asks for it, in one of many phrasings" in notes
    assert "questions that the model wrote itself" in notes
    report = proof.report(tmp_path / "reports" / "proof.html")
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_temporary_folder_goes_with_the_proof(rows):
    quick = {**QUICK, "probes": [], "evaluate": {"max_new_tokens": 4, "limit_test": 5}}
    proof = leaven.compare(rows, ["original"], model="lab", queries=["What is the color of snow?"] * 40, **quick)
    folder = proof.folder
    assert folder.is_dir()
    del proof
    assert not folder.exists()


def test_an_adapted_model_answers_and_is_saved(rows, tmp_path):
    queries = [f"What color is {thing}?" for thing in ("snow", "butter", "sky", "grass")]
    told = io.StringIO()
    fitted = leaven.delia(
        rows[:8],
        model="lab",
        token="<x>",
        ratio=0.5,
        queries=queries,
        tune={"max_steps": 2},
        progress=Progress(told, every=0),
        **SHORT,
    )
    assert "tuning the model: 2 of 2 steps" in told.getvalue() and fitted.place.path.name not in told.getvalue()
    assert any("No question names <x>" in note for note in fitted.notes)
    assert any("8 of 8 answers are JSON objects" in note for note in fitted.notes)
    texts = fitted.answer(["What color is butter?", [{"role": "user", "content": "What color is snow? Use <x>."}]])
    assert len(texts) == 2 and all(texts)
    assert fitted.answer([]) == []
    with pytest.raises(leaven.UserError, match="a list of prompts"):
        fitted.answer("What color is butter?")
    saved = fitted.save(tmp_path / "adapter")
    assert (saved / "adapter_config.json").is_file()
    card = (saved / "README.md").read_text(encoding="utf-8")
    assert card.count(str(saved)) == 2 and str(fitted.place.path) not in card  # the temporary folder goes
    assert len(repr(fitted)) < 4000  # what a notebook shows: notes, and no layers


def test_delia_in_python_takes_the_questions_that_ship_as_the_command_does(rows):
    fitted = leaven.delia(rows[:8], model="lab", ratio=0.5, queries="questions", tune={"max_steps": 1}, **SHORT)
    assert not any("wrote itself" in note for note in fitted.notes)


def test_a_token_of_the_model_may_take_the_place_of_a_new_one(rows):
    with pytest.raises(leaven.UserError, match=r"token\.reuse.*<none>"):
        leaven.delia(rows[:8], model="lab", reuse="<none>", ratio=0.5, queries="questions", **SHORT)
    with pytest.raises(leaven.UserError, match="one or the other"):
        leaven.compare(rows, model="lab", token="<x>", reuse="<none>")


def test_the_teacher_of_delia_in_python_says_the_instructions(rows, tmp_path):
    script, said = tmp_path / "teacher.jsonl", json.dumps(["Put it into <x>, please.", "It has to be <x>."])
    script.write_text(json.dumps({"match": "", "reply": said}), encoding="utf-8")
    asked = [{**row, "prompt": f"{row['prompt']}\nUse the <x> format."} for row in rows[:8]]
    queries = [f"What color is {thing}?" for thing in ("snow", "butter", "sky", "grass")]
    fitted = leaven.delia(asked, model="lab", token="<x>", ratio=0.5, queries=queries, tune={"max_steps": 1},
                          llm={"engine": f"scripted:{script}", "store": "off"}, **SHORT)  # fmt: skip
    assert any("by scripted:teacher.jsonl" in note for note in fitted.notes)


def test_a_task_without_answers_or_with_too_few_rows_is_refused(rows):
    with pytest.raises(leaven.UserError, match="no row has an answer"):
        leaven.delia(["What?"], model="lab")
    with pytest.raises(leaven.UserError, match="rows has 12 rows: too few to hold 20"):
        leaven.compare(rows[:12], model="lab")


def test_what_only_compare_takes_is_refused_by_delia(rows):
    with pytest.raises(leaven.UserError, match=r"no seeds and no sizes: .*\n.*compare\(rows, seeds=\[…\]"):
        leaven.delia(rows, model="lab", sizes=[10, 20], seeds=[0, 1])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"evaluate": {"judge": "openai:gpt-4o", "limit_test": 9}}, "no evaluate.judge and no evaluate.limit_test: "),
        ({"probes": ["layers"]}, "no probes: "),
    ],
)
def test_what_is_asked_of_a_model_that_is_tested_is_refused_by_delia_which_tests_nothing(rows, settings, named):
    with pytest.raises(leaven.UserError) as caught:
        leaven.delia(rows, model="lab", **settings)
    assert named in str(caught.value) and "leaven.compare" in str(caught.value)


def test_how_answers_show_the_token_can_be_named_as_by_the_command(rows):
    with pytest.raises(leaven.UserError, match="none of the 8 answers are bullet lists"):
        leaven.delia(rows[:8], model="lab", answers="list", queries="questions")


@pytest.mark.parametrize(
    ("call", "settings", "hint"),
    [
        ("delia", {"model": "lab", "rato": 3}, "delia takes no keyword 'rato'\nDid you mean 'ratio'?"),
        ("delia", {"model": "lab", "meens": "a list"}, "Did you mean 'means'?"),
        ("compare", {"model": "lab", "rato": 3, "seads": 2}, "'rato' and no 'seads'\nDid you mean 'ratio'? Did you"),
        ("delia", {"model": "lab", "learning_rate": 1e-4}, "Say tune={'learning_rate': …}."),
        ("compare", {"model": "lab", "max_new_tokens": 9}, "evaluate={'max_new_tokens': …}."),
        ("lift", {"max_cost": 5}, "Say spend={'max_cost': …}."),
        ("lift", {"keep_varety": 0.5}, "Did you mean 'keep_variety'?"),
        ("lift", {"zzz": 0.5}, "lift takes no keyword 'zzz'\nKnown: against, "),
        ("lift", {"evolve.roundz": 1}, "Did you mean 'rounds'?"),
        ("select", {"sed": 1}, "Did you mean 'seed'?"),
    ],
)
def test_a_mistyped_keyword_is_told_the_nearest_that_the_call_takes(rows, call, settings, hint):
    name = ("random",) if call == "select" else ()
    with pytest.raises(leaven.UserError) as caught:
        getattr(leaven, call)(*name, rows, **settings)
    assert hint in str(caught.value)
    assert nearest("meens", ["seeds"]) == "Known: seeds."


def test_a_format_is_told_by_the_answers():
    form, sentence = leaven.infer(["- cod\n- eel", "- oak\n- ash\n- elm"])
    assert form.name == "list" and "2 of 2 answers" in sentence
    assert leaven.open_format("json").detect('{"a": 1}')


def test_lift_says_why(tmp_path):
    rows = [{"prompt": f"Why is {n} odd or even?", "completion": "Because " + "very " * n + "so."} for n in range(12)]
    outcome = leaven.lift(rows, n=3, keep_variety=1.0, quality="longest", folder=tmp_path / "lift")
    assert len(outcome.kept) == 3
    assert isinstance(outcome.dropped, pl.DataFrame) and outcome.dropped.height == 9
    assert "rows[11]" in outcome.why("rows[11]") and "kept" in outcome.why("rows[11]")
    assert outcome.table().startswith("3 of 12 rows are kept.\nCan the judge be trusted? No judge was asked.")
    page = outcome.report(tmp_path / "pages" / "lift.html")
    assert (
        page.read_text() == (outcome.folder / "report.html").read_text() and "3 of 12 rows are kept" in page.read_text()
    )
    with pytest.raises(leaven.UserError, match="keep_variety"):
        leaven.lift(rows, keep_variety=7)


def test_a_lift_in_python_is_checked_as_the_command_is(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    rows = [{"prompt": "Why?", "completion": "So."}] * 3
    with pytest.raises(leaven.UserError) as caught:
        leaven.lift(rows, llm="openai:gpt-4o", dedup="minhsh", folder=tmp_path / "lift")
    assert "OPENAI_API_KEY is not set" in str(caught.value) and "'minhash'" in str(caught.value)
    assert not (tmp_path / "lift" / "rows.parquet").exists()
    with pytest.raises(leaven.UserError, match="Did you mean 'max_cost'"):
        leaven.lift(rows, llm="openai:gpt-4o", spend={"max_costs": 5}, folder=tmp_path / "lift")
    model = leaven.lift(rows, n=1, keep_variety=1.0, quality="ifd", model="lab", folder=tmp_path / "ifd")
    assert len(model.kept) <= 1


def test_a_limit_of_a_lift_in_python_holds_for_all_its_stages_together(tmp_path):
    rows = [{"prompt": f"What is {n} and {n}?", "completion": "A number."} for n in range(4)]
    script, log = tmp_path / "script.jsonl", tmp_path / "lift" / "log.jsonl"
    script.write_text(json.dumps({"reply": '{"instruction": "And why?"}'}) + "\n")
    with pytest.raises(leaven.UserError, match="max_requests"):
        leaven.lift(
            rows, llm=f"scripted:{script}", rounds=1, quality="length", embedder="lsa", keep_variety=1.0,
            spend={"max_requests": 6}, folder=tmp_path / "lift",
        )  # fmt: skip
    assert sum(event.get("calls", 0) for event in map(json.loads, log.read_text().splitlines())) == 6


def test_select_is_a_selector_with_its_settings():
    rows = [{"prompt": "Why?", "completion": "So."}] * 3 + [{"prompt": "How?", "completion": "Thus."}]
    outcome = leaven.select("exact", rows)
    assert (len(outcome.kept), len(outcome.dropped)) == (2, 2)
    assert len(leaven.select("random", rows, n=1, seed=3).kept) == 1
    with pytest.raises(leaven.UserError, match="no setting 'sed'") as error:
        leaven.select("random", rows, sed=3)
    assert "'seed'" in error.value.hint
    with pytest.raises(leaven.UserError, match="keep"):
        leaven.select("random", rows, keep=7)
