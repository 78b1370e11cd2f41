"""Copies are found, turned into the harness's columns, and drawn from; what is missing is said."""

import json

import pytest

pytest.importorskip("lm_eval")

from leaven.errors import UserError
from leaven.harness import benchmark as module
from leaven.harness import copies as copies_of_user
from leaven.harness import ifeval
from leaven.harness.benchmark import open_benchmark

CHOICES = {"question": "Which?", "A": "a", "B": "b", "C": "c", "D": "d", "subject": "anatomy"}


def docs(benchmark):
    return {task: list(each.eval_docs) for task, each in benchmark.tasks.items()}


def test_a_subject_is_a_task_of_the_harness(copies):
    benchmark = open_benchmark("mmlu", str(copies))
    assert set(benchmark.tasks) == {"mmlu_anatomy", "mmlu_marketing"} and benchmark.items == 16
    first = docs(benchmark)["mmlu_anatomy"][0]
    assert first["choices"] == ["Paris", "Madrid", "one", "two"] and first["answer"] == 0


@pytest.mark.parametrize("answer", ["C", " c ", 2, "2"])
def test_a_letter_or_a_number_says_which_choice_is_right(answer):
    _, row = copies_of_user.mmlu({**CHOICES, "answer": answer}, "mmlu")
    assert row["answer"] == 2


def test_choices_in_a_sentence_are_told_from_each_other(copies):
    (rows,) = docs(open_benchmark("arc_easy", str(copies))).values()
    assert rows[1]["question"] == "Is it Madrid?" and rows[1]["answerKey"] == "B"
    assert rows[1]["choices"] == {"text": ["yes, Madrid", "no", "Madrid"], "label": ["A", "B", "C"]}


def test_truthfulqas_best_answer_stands_against_the_incorrect_ones(copies):
    (rows,) = docs(open_benchmark("truthfulqa", str(copies))).values()
    choices = ["A Paris.", "No Paris.", "Two Pariss.", "Madrid."]
    assert rows[0]["mc1_targets"] == {"choices": choices, "labels": [1, 0, 0, 0]}


def test_a_copy_in_the_hubs_columns_serves_any_task_of_the_harness(tmp_path):
    row = {"question": "Which?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"}
    (tmp_path / "arc_challenge.json").write_text(json.dumps([row] * 3))
    assert docs(open_benchmark("arc_challenge", str(tmp_path))) == {"arc_challenge": [row] * 3}


def test_the_same_items_are_drawn_each_time_and_from_all_parts(copies):
    first, again = (open_benchmark("mmlu", str(copies), 6) for _ in range(2))
    assert first.places == again.places and first.items == 6
    assert set(first.places) == {"mmlu_anatomy", "mmlu_marketing"}
    assert all(places == sorted(places) for places in first.places.values())


def test_of_several_files_the_test_is_taken(tmp_path):
    for name in ("gsm8k/train.jsonl", "gsm8k/test.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    assert copies_of_user.find("gsm8k", tmp_path).name == "test.jsonl"
    (tmp_path / "gsm8k" / "test2.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match="more than once"):
        copies_of_user.find("gsm8k", tmp_path)


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("mmlu", {"question": "Which?", "A": "a"}, "mmlu.jsonl:1 is no row of mmlu: it has no 'B'"),
        ("mmlu", {**CHOICES, "answer": ""}, "its answer '' is none of the choices"),
        ("mmlu", {**CHOICES, "answer": "AB"}, "its answer 'AB' is none of the choices"),
        ("mmlu", {**CHOICES, "answer": 4}, "its answer 4 is none of the choices"),
        ("piqa", {"instruction": "Do: this", "answer": "solution1"}, "its choices can't be told"),
        ("bbh", {"task": "juggling", "input": "a", "target": "b"}, "bbh_cot_zeroshot_juggling, which is no task"),
    ],
)
def test_a_row_of_another_layout_is_said(tmp_path, name, row, said):
    (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match="(?s)" + said.replace("(", r"\(")):
        open_benchmark(name, str(tmp_path))


def test_what_is_neither_here_nor_on_the_hub_is_said(copies):
    with pytest.raises(UserError, match=r"(?s)piqa is neither in .*copies nor to be had.*piqa\.jsonl"):
        open_benchmark("piqa", str(copies))
    with pytest.raises(UserError, match="no folder of copies is named"):
        open_benchmark("piqa")
    with pytest.raises(UserError, match="nowhere does not exist"):
        open_benchmark("piqa", str(copies / "nowhere"))


def test_an_error_of_the_hub_without_a_message_is_said_by_its_name(monkeypatch):
    monkeypatch.setattr(module.TaskManager, "load", lambda *_: (_ for _ in ()).throw(RuntimeError()))
    with pytest.raises(UserError, match="from the hub: RuntimeError"):
        open_benchmark("piqa")


def test_ifeval_leaves_out_what_it_cannot_check(monkeypatch):
    rows = [{"instruction_id_list": ["punctuation:no_comma"]}, {"instruction_id_list": [min(ifeval.COUNTING)]}]
    monkeypatch.setattr(ifeval, "_has_table", lambda: False)
    places, note = ifeval.possible({"ifeval": rows})
    assert places == [("ifeval", 0)] and "1 of 2 questions" in note and "nltk.downloader" in note
    monkeypatch.setattr(ifeval, "_has_table", lambda: True)
    assert ifeval.possible({"ifeval": rows}) == ([("ifeval", 0), ("ifeval", 1)], "")
