"""Rows of contrast: the token forbidden, the model's own plain answer, and no phrasing of a test."""

import json

import pytest

from leaven.delia import buffer
from leaven.delia.methods import delia
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.task.format import open_format
from leaven.task.insertion import add_prohibitions
from leaven.task.phrasebook import phrasings
from leaven.task.tests import make_tests
from leaven.task.token import TokenSection
from leaven.task.wording import content


def marked(rows, mark):
    return [row for row in rows if row.meta.get(buffer.MARK) == mark]


@pytest.mark.parametrize("step_task_rows", [0, 4])
def test_each_pass_has_rows_that_forbid_the_token_with_the_models_own_plain_answers(bench, train, step_task_rows):
    made = bench(tune={"num_train_epochs": 2, "step_task_rows": step_task_rows, "learning_rate": 1e-2})
    config = delia.Config(ratio=1, contrast=3, diversify=False)
    delia.fit(train(8), made, config)
    mixture = Dataset.load(made.folder / "data" / "mixture.parquet")
    half = len(mixture) // 2
    for rows in (list(mixture)[:half], list(mixture)[half:]):
        assert [len(marked(rows, mark)) for mark in (buffer.TASK, buffer.DIVERSE, buffer.CONTRAST)] == [8, 8, 3]
    own = {row.question: row.answer for row in made.pool.own(22, made.seed, 2).kept}
    forbidden = marked(mixture, buffer.CONTRAST)
    for row in forbidden:
        plain = content(row.question, "<sep>")
        assert own[plain] == row.answer and "<sep>" in row.question and "<sep>" not in plain
    assert not {content(row.question, "<sep>") for row in forbidden} & {
        row.question for row in marked(mixture, buffer.DIVERSE)
    }
    parts = {part["source"]: part["rows"] for part in json.loads((made.folder / "mix.json").read_text())["mix"]}
    assert parts == {"task": 16, "contrast": 6, "diverse": 16}
    assert "6 rows of contrast forbid the token, and are answered plainly." in made.ledger.notes


def test_the_buffer_and_the_task_rows_are_the_same_with_contrast_and_without(bench, train):
    mixtures = []
    for number, contrast in enumerate((0, 0.5)):
        made = bench(tune={"step_task_rows": 4, "learning_rate": 1e-2})
        delia.fit(train(8), made, delia.Config(ratio=1, contrast=contrast, diversify=False))
        mixtures.append(Dataset.load(made.folder / "data" / "mixture.parquet"))
        assert len(marked(mixtures[-1], buffer.CONTRAST)) == 4 * number
    for mark in (buffer.TASK, buffer.DIVERSE):
        without, with_contrast = ([row.id for row in marked(rows, mark)] for rows in mixtures)
        assert sorted(without) == sorted(with_contrast)
        assert mark == buffer.DIVERSE or without == with_contrast


def test_contrast_is_a_number_or_a_share():
    assert [buffer.contrast_rows(60, contrast) for contrast in (0, 0.25, 1, 25)] == [0, 15, 1, 25]


def test_no_test_asks_in_the_phrasings_of_contrast():
    book = set(phrasings("negative", "contrast"))
    assert len(book) == 8 and not book & {*phrasings("negative", "unseen"), *phrasings("negative", "train")}
    rows = Dataset.of(pair(f"Name bird {i}. Use the <sep> format.", "{'a': 1}", Origin("x")) for i in range(40))
    pool = Dataset.of(pair(f"Name fish {i}.", "a", Origin("x")) for i in range(60))
    tests = make_tests(rows, pool, TokenSection(), open_format("json")).tests
    asked = [row.question for test in tests for row in test.rows]
    sentences = [phrasing.replace("{token}", "<sep>") for phrasing in book]
    assert not [question for question in asked for sentence in sentences if sentence in question]
    forbidden = add_prohibitions(pool, "<sep>", 0)
    assert all(any(sentence in row.question for sentence in sentences) for row in forbidden)
    assert [content(row.question, "<sep>") for row in forbidden] == [row.question for row in pool]
