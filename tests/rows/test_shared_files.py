"""The real files, where they are at hand."""

import json
import re

import pytest
from tests.shared import DATA, with_data

from leaven.errors import UserError
from leaven.rows import files, leaks
from leaven.rows.leaks import LeaksSection

pytestmark = with_data

# Tables without a header or of other things than questions: refused with a reason.
OTHER_THINGS = {
    *("apertium_isl_eng", "bbh", "coachlm", "datajuicer_dedup_demo", "flan_cot", "flan_templates", "llmbar"),
    *("mt_bench", "multi_prompt_bbh", "natural_instructions_defs", "promptsource", "superni_15tasks", "tell_halu"),
    *("truthfulqa", "wizardlm_testset"),
}


def read(name, format="auto"):
    return files.read(DATA / name, format)


def test_every_file_is_read_or_refused_with_a_reason():
    kinds = re.compile(r"\.(jsonl|json|csv|tsv)(\.gz)?$")
    paths = [path for path in sorted(DATA.glob("*/**/*")) if kinds.search(path.name)]
    assert len(paths) > 90
    usable = 0
    for path in paths:
        try:
            outcome = files.read(path)
        except UserError as error:
            assert error.hint
            assert path.relative_to(DATA).parts[0] in OTHER_THINGS, path
        else:
            usable += 1
            assert len(outcome.kept) and "detected" in outcome.notes[0]
    assert usable > 45


def test_published_task_and_test_rows():
    train, test = read("delia_halu/train_dataset.jsonl"), read("tell_halu/test_Halu_CoT_JSON.shared.jsonl")
    assert (len(train.kept), len(test.kept)) == (100, 1006)
    assert not train.dropped and not test.dropped
    assert train.kept[0].origin.place == "train_dataset.jsonl:1"


@pytest.mark.parametrize("name, usable, lines", [("user_2", 246, {134}), ("user_3", 198, {10})])
def test_invalid_lines_are_dropped_with_their_numbers(name, usable, lines):
    outcome = read(f"instructionwild/{name}.jsonl")
    source = (DATA / f"instructionwild/{name}.jsonl").read_bytes().decode().split("\n")
    assert len(outcome.kept) == usable
    found = {int(drop.example.origin.place.split(":")[1]): drop for drop in outcome.dropped}
    assert lines <= set(found)
    for number, drop in found.items():
        assert (drop.reason, drop.example.question) == ("broken JSON", source[number - 1])


def test_fields_can_be_named_for_other_files():
    assert len(read("truthfulqa/TruthfulQA.csv", "Question/Best Answer").kept) == 817
    assert read("bbh/bbh_first60.jsonl", "input/target").kept[0].answer == "False"


def query(text):
    """What the published rows ask about; the guard itself knows nothing of these fields."""
    found = re.search(r"'user_query' : (.*?)\n'chatgpt_response'", text[text.rindex("'user_query'") :], re.DOTALL)
    return found.group(1).strip() if found else ""


def test_guard_finds_the_published_leak_and_the_pool_rows_that_give_tests_away(monkeypatch):
    train = read("delia_halu/train_dataset.jsonl").kept
    test = read("tell_halu/test_Halu_CoT_JSON.shared.jsonl").kept
    pool = read("alpaca_52k/alpaca_data.minus_holdout.jsonl.gz").kept
    numbers = json.loads((DATA / "tell_halu/delia_overlap_row_numbers.json").read_text())
    asked = {query(example.question) for example in train}
    leaked = {test[number].origin.place for number in numbers if query(test[number].question) in asked}
    assert len(leaked) == 34

    found = {drop.example.origin.place for _, drop in leaks.guard(train, {"test": test}, None, LeaksSection()).dropped}
    assert leaked <= found
    assert len(found - leaked) <= 6

    share, compared = leaks._share, []
    monkeypatch.setattr(leaks, "_share", lambda *pair: compared.append(pair) or share(*pair))
    guarded = leaks.guard(train, {"test": test}, pool, LeaksSection())
    assert len(compared) < len(pool)  # of the fifty million pairs that there are
    dropped = {where: set() for where in ("test", "pool")}
    for where, drop in guarded.dropped:
        dropped[where].add(drop.example.origin.place)
    assert leaked <= dropped["test"] and len(dropped["test"] - leaked) <= 6

    queries = {re.sub(r"\W+", " ", query(example.question).casefold()).strip() for example in test}
    given_away = {e.origin.place for e in pool if re.sub(r"\W+", " ", e.question.casefold()).strip() in queries}
    assert len(given_away) > 900
    assert len(given_away & dropped["pool"]) > 0.98 * len(given_away)
    assert len(dropped["pool"] - given_away) < 0.001 * len(pool)


def test_guard_finds_what_one_benchmark_has_from_another_and_nothing_else():
    known, other = (
        read("self_instruct/user_oriented_instructions.jsonl").kept,
        read("alpaca_eval/gpt4.model_outputs.json"),
    )
    guarded = leaks.guard(known, {"test": other.kept}, None, LeaksSection())
    origins = [drop.example.meta["dataset"] for _, drop in guarded.dropped]
    assert set(origins) == {"selfinstruct"}
    assert len(origins) >= 245
