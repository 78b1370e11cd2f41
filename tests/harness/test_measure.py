"""What a benchmark says of a model, item by item."""

import pytest

pytest.importorskip("lm_eval")

from leaven.harness.benchmark import open_benchmark
from leaven.harness.lm import LeavenLM
from leaven.harness.measure import chance, measure
from leaven.models.load import load
from leaven.runs.progress import stderr


@pytest.fixture(scope="module")
def loaded(tiny_model):
    return load(tiny_model("qwen3", max_position_embeddings=1024))


def test_a_guess_among_choices_gets_their_share(loaded, copies):
    found = measure(open_benchmark("arc_easy", str(copies), 5), loaded, 16, stderr(), "test")
    assert found.height == 5 and found["item"].n_unique() == 5
    assert set(found["chance"]) == {1 / 3} and set(found["measure"]) == {"acc"}
    right = found.filter(found["value"] == 1)
    assert right["answer"].to_list() == right["reference"].to_list()


def test_answers_are_looked_for_anywhere(loaded, copies, monkeypatch):
    said = []

    def answers(self, requests, disable_tqdm=True):
        said.append(self.max_new_tokens)
        return ["It comes to 4. So the result is 4, I think." for _ in requests]

    monkeypatch.setattr(LeavenLM, "generate_until", answers)
    found = measure(open_benchmark("gsm8k", str(copies)), loaded, 16, stderr(), "test")
    assert found["value"].to_list() == [0, 0, 1, 0, 0, 0]  # 2 and 2
    assert found["prompt"][0].endswith("assistant\n") and said == [256]


def test_a_guess_at_two_answers_is_right_half_the_time(loaded, copies, monkeypatch):
    monkeypatch.setattr(LeavenLM, "generate_until", lambda self, requests, **_: ["Yes"] * len(requests))
    found = measure(open_benchmark("bbh", str(copies)), loaded, 16, stderr(), "test")
    assert set(found["value"]) == {1.0} and set(found["chance"]) == {0.5}


def test_options_are_counted():
    options = "\n".join(f"({letter}) it" for letter in "ABCDE")
    assert chance({"input": f"Which?\nOptions:\n{options}", "target": "(C)"}) == 0.2
    assert chance({"input": "not True is", "target": "False"}) == 0.5
    assert chance({"input": "How many?", "target": "7"}) == 0
