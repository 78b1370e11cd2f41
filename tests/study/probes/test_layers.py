import math

import pytest
import torch

from leaven.models import tokens
from leaven.models.load import load
from leaven.models.template import render
from leaven.rows.dataset import Dataset
from leaven.rows.example import user
from leaven.study.probes import layers
from leaven.task.format import open_format
from leaven.task.task import Task
from leaven.task.token import TokenSection

TOKEN = TokenSection(means="a json object with the keys thought and label")
NONE = Dataset.of([])


@pytest.fixture
def loaded(tiny_model):
    found = load(tiny_model("qwen3", padded=True))
    tokens.add(found.model, found.tokenizer, TOKEN, 0)
    return found


def test_the_words_of_a_meaning_are_its_content_words():
    assert layers.words("a JSON object with the keys thought and label; thought") == ("json", "thought", "label")


def test_the_distance_is_that_of_a_slow_obvious_computation(loaded):
    found = {
        (m.metric, m.item): m.value for m in layers.measure(loaded, Task(NONE, (), NONE, open_format("json"), TOKEN))
    }

    def slow(word, layer):
        total = 0
        for frame in layers.FRAMES:
            text = render(loaded.tokenizer, user(frame.format(word)), True)
            before = loaded.tokenizer(text[: text.rindex(word)].rstrip(), add_special_tokens=False)["input_ids"]
            until = loaded.tokenizer(text[: text.rindex(word) + len(word)], add_special_tokens=False)["input_ids"]
            first = len(before) + (not loaded.tokenizer.decode([until[len(before)]]).strip())  # a lone space is no part
            ids = torch.tensor([loaded.tokenizer(text, add_special_tokens=False)["input_ids"]])
            with torch.no_grad():
                states = loaded.model(ids, output_hidden_states=True).hidden_states[layer][0]
            total = total + states[first : len(until)].mean(0)
        return total / len(layers.FRAMES)

    for word in ("json", "river"):
        distance = float((slow("<sep>", 2) - slow(word, 2)).norm())
        assert found["l2/last", word] == pytest.approx(distance, rel=1e-4)
    own, theirs = slow("<sep>", 1), slow("json", 1)
    assert found["log_l2/middle", "json"] == pytest.approx(math.log(float((own - theirs).norm())), rel=1e-4)
    unit = float((own / own.norm() - theirs / theirs.norm()).norm())
    assert found["unit_l2/middle", "json"] == pytest.approx(unit, rel=1e-4)
    assert found["log_unit_l2/middle", "json"] == pytest.approx(math.log(unit), rel=1e-4)
    assert unit == pytest.approx(math.sqrt(2 - 2 * found["cosine/middle", "json"]), rel=1e-3)
    meaning = [found["l2/last", word] for word in ("json", "thought", "label")]
    assert found["curve/2/meaning", ""] == pytest.approx(sum(meaning) / 3)
    assert found["curve/2/control", ""] == pytest.approx(sum(found["l2/last", word] for word in layers.CONTROLS) / 3)


@pytest.mark.parametrize("alternatives", [(), ("claim", "yes", "model")])
def test_the_rank_is_the_place_of_the_formats_word_among_words_of_its_kind(loaded, alternatives):
    token = TOKEN.model_copy(update={"alternatives": alternatives})
    task = Task(NONE, (), NONE, open_format("json"), token)
    found = {(m.metric, m.item): m.value for m in layers.measure(loaded, task)}
    kind = alternatives or tuple(word for word in layers.FORMATS if word != "json")
    for place in ("first", "middle", "last"):
        apart = sorted(("json", *kind), key=lambda word: found[f"unit_l2/{place}", word])
        assert found[f"rank/{place}", ""] == 1 + apart.index("json")


def test_the_words_of_a_kind_are_those_of_other_formats_or_the_recipes():
    def kind(spec, **token):
        task = Task(NONE, (), NONE, open_format(spec), TokenSection(**token))
        return layers.meant_word(task), layers.alternatives(task)

    assert kind("json")[0] == "JSON" and "json" not in kind("json")[1] and "yaml" in kind("json")[1]
    assert "list" not in kind("list")[1] and kind("list")[0] == "bullet list"
    assert kind("text", means="French") == ("", ())
    assert kind("text", means="in French", alternatives=("German", "Dutch")) == ("french", ("German", "Dutch"))


def test_a_token_that_is_a_word_of_its_meaning_has_no_distance_to_it(loaded):
    same = TokenSection(text="json", means="json")
    found = {
        (m.metric, m.item): m.value for m in layers.measure(loaded, Task(NONE, (), NONE, open_format("json"), same))
    }
    assert found["l2/middle", "json"] == pytest.approx(0, abs=1e-5)
    assert found["cosine/middle", "json"] == pytest.approx(1, abs=1e-5)
    assert found["rank/last", ""] == 1


def test_without_a_meaning_there_is_nothing_to_measure(loaded):
    assert not list(layers.measure(loaded, Task(NONE, (), NONE, open_format("json"))))


def test_all_values_are_finite(loaded):
    assert all(math.isfinite(m.value) for m in layers.measure(loaded, Task(NONE, (), NONE, open_format("json"), TOKEN)))
