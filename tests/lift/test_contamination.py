"""Benchmarks in their own shapes, every kind of overlap, and the overlaps that are known in public sets."""

import json

import numpy as np
import pytest
from tests.shared import DATA, with_data

from leaven.errors import UserError
from leaven.lift import contamination
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.rows.leaks import LeaksSection

ALPACA_EVAL = "alpaca_eval/text_davinci_003.model_outputs.json"
# (data, benchmark, rows of the data that are equal but for case and punctuation), as the README of the data lists them
KNOWN = [
    (ALPACA_EVAL, "self_instruct/user_oriented_instructions.jsonl", 252),
    ("coachlm/CoachLM150_test_set.json", "truthfulqa/TruthfulQA.csv", 3),
    ("lima/lima.json.gz", "truthfulqa/TruthfulQA.csv", 1),
    ("instructionwild/seed_prompts_en.jsonl", ALPACA_EVAL, 1),
]
NEAR = [("coachlm/CoachLM150_test_set.json", "mmlu/mmlu_test_first20.jsonl"),
        ("easyinstruct/code_example.json.gz", "mbpp/sanitized-mbpp.json"),
        ("alpagasus/dolly_3k.json.gz", "mmlu/mmlu_test_first20.jsonl")]  # fmt: skip
SLOW = [("truthfulqa/TruthfulQA.csv", 1), (ALPACA_EVAL, 1), ("mt_bench/mt_bench.question.jsonl", 1)]


def rows(*questions):
    return Dataset.of(pair(q, "a", Origin("x", f"f:{number}")) for number, q in enumerate(questions, 1))


def found(data, *questions):
    return contamination.by_words(data, {"b": rows(*questions)}, LeaksSection())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"Question": "Who?", "Best Answer": "I"}, ["Who?"]),
        ({"turns": ["One?", "Two?"]}, ["One?", "Two?"]),
        ({"instruction": "Do.", "input": "this"}, ["Do.\n\nthis"]),
        ({"instruction": "Do.", "input": ""}, ["Do."]),
        ({"instruction": "Do.", "instances": [{"input": "a"}, {"input": "b"}]}, ["Do.\n\na", "Do.\n\nb"]),
        ({"instruction": "Do.", "instances": [{"input": ""}]}, ["Do."]),
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}, ["u"]),
        ({"input": "x", "target": 3}, ["x"]),
        ({"answer": 3}, []),
        ({"instruction": "Do.", "instances": 3, "messages": 5}, ["Do."]),
    ],
)
def test_questions_are_found_in_every_shape(row, expected):
    assert list(contamination.questions(row)) == expected


def test_a_file_without_questions_is_said(tmp_path):
    (tmp_path / "b.jsonl").write_text('{"a": "x"}\n')
    with pytest.raises(UserError, match="no questions"):
        contamination.benchmark(tmp_path / "b.jsonl")


def test_every_kind_is_found_with_its_place():
    long = "the quick brown fox jumps over the lazy dog while nine grey cats sleep on a warm red roof near the old mill"
    data = rows("Name a river of Peru.", "unlike", "NAME a river, of peru!", f"so {long}")
    matches = found(data, "Name a river of Peru.", long + " and more")
    assert [(m.row, m.kind, m.source) for m in matches] == [
        (0, "exact", "f:1"), (2, "normalised", "f:1"), (3, "ngram", "f:2")
    ]  # fmt: skip
    lines = [json.loads(line) for line in contamination.table(data, matches).splitlines()]
    assert lines[1]["place"] == "f:3"
    assert lines[1]["question"] == "NAME a river, of peru!"


def test_meaning_is_the_cosine():
    asked = rows("x", "y")
    matches = contamination.by_meaning(
        "b", np.eye(3, dtype=np.float32), asked, np.array([[0, 1, 0], [0.6, 0, 0.8]], np.float32), 0.7
    )
    assert [(m.row, m.source, round(m.share, 1)) for m in matches] == [(1, "f:1", 1.0), (2, "f:2", 0.8)]


@with_data
@pytest.mark.parametrize(("data", "benchmark", "count"), KNOWN)
def test_the_overlaps_that_are_known_are_found(data, benchmark, count):
    read = files.read(DATA / data).kept
    asked = contamination.benchmark(DATA / benchmark)
    matches = contamination.by_words(read, {"b": asked}, LeaksSection())
    equal = [match for match in matches if match.kind in ("exact", "normalised")]
    assert len(equal) == count
    assert len({match.source for match in equal}) == count


@with_data
def test_all_user_oriented_instructions_are_found_as_data_too():
    read = files.read(DATA / "self_instruct/user_oriented_instructions.jsonl").kept
    matches = contamination.by_words(read, {"b": contamination.benchmark(DATA / ALPACA_EVAL)}, LeaksSection())
    assert {match.row for match in matches} == set(range(252))


@with_data
@pytest.mark.parametrize(("data", "benchmark"), NEAR)
def test_the_single_overlaps_are_found(data, benchmark):
    read = files.read(DATA / data).kept
    assert contamination.by_words(read, {"b": contamination.benchmark(DATA / benchmark)}, LeaksSection())


@with_data
@pytest.mark.slow
@pytest.mark.parametrize(("benchmark", "count"), SLOW)
def test_what_alpaca_shares_with_benchmarks_is_found(benchmark, count):
    read = files.read(DATA / "alpaca_52k/alpaca_data.minus_holdout.jsonl.gz").kept
    matches = contamination.by_words(read, {"b": contamination.benchmark(DATA / benchmark)}, LeaksSection())
    assert len([match for match in matches if match.kind in ("exact", "normalised")]) == count
