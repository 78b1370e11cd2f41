"""Tools that a row offers reach what is trained, where the chat template has a place for them; else it is said."""

import json
import logging

import pytest

from leaven.errors import UserError
from leaven.models import mask, train
from leaven.models.load import Loaded, load_tokenizer
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair

WEATHER = {"name": "get_weather", "description": "The weather of a city.", "parameters": {"type": "object"}}
WRAPPED = {"type": "function", "function": WEATHER}
CALL = json.dumps({"tool_calls": [{"type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]})
TEMPLATE = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% for call in m.tool_calls or [] %}{{ call.function | tojson }}{% endfor %}{{ m.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def row(tools, *turns):
    turns = turns or (Message("user", "Is it warm in Oslo?"), Message("assistant", "", CALL))
    return Example(turns, Origin("x", "d.jsonl:3"), {"tools": tools})


@pytest.fixture
def tokenizer(tiny_model):
    return load_tokenizer(tiny_model("qwen3"))


@pytest.mark.parametrize(
    "tools",
    [[WRAPPED], [WEATHER], json.dumps([WRAPPED]), json.dumps([WEATHER]), [json.dumps(WEATHER)]],
    ids=["openai", "bare", "openai as text", "bare as text", "a list of texts"],
)
def test_the_tools_of_a_row_are_read_in_every_form_and_stand_before_its_answer(tokenizer, tools):
    assert row(tools).tools == [WRAPPED]
    tokenizer.chat_template = TEMPLATE
    encoded = mask.encode(tokenizer, row(tools))
    text = tokenizer.decode(encoded.input_ids)
    assert text.count("The weather of a city.") == 1
    assert "".join(part for part, trained in mask.colour(tokenizer, encoded) if trained).count("get_weather") == 1


@pytest.mark.parametrize("tools", [None, "", "[]", [], ()])
def test_a_row_without_tools_is_as_it_was(tokenizer, tools):
    plain = pair("Is it warm?", "Yes.", Origin("x"))
    assert row(tools).tools == []
    same = mask.encode(tokenizer, row(tools, *plain.messages))
    assert same == mask.encode(tokenizer, plain)


@pytest.mark.parametrize("tools", ["get_weather", 7, [{"description": "no name"}], ["{"], {"name": "x"}])
def test_tools_that_are_none_are_a_reason_and_no_crash(tokenizer, tools):
    with pytest.raises(UserError, match=r"the tools of the row d\.jsonl:3 are no list of functions"):
        row(tools).tools  # noqa: B018


@pytest.mark.parametrize("is_called", [True, False])
def test_a_row_with_a_custom_tool_is_left_out_with_its_reason(tokenizer, is_called):
    shell = {"type": "custom", "custom": {"name": "shell"}}
    call = json.dumps({"tool_calls": [{"type": "custom", "custom": {"name": "shell", "input": "ls"}}]})
    turns = (
        Message("user", "Which files?"),
        Message("assistant", "", call) if is_called else Message("assistant", "?"),
    )
    tokenizer.chat_template = TEMPLATE
    assert row([shell]).tools == [shell]
    with pytest.raises(UserError, match="custom tools"):
        mask.encode(tokenizer, row([] if is_called else [shell], *turns))


def test_a_template_without_a_place_for_tools_is_said_once(tiny_model, tokenizer, caplog):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model("qwen3"))
    loaded, rows = Loaded(model, tokenizer, "tiny"), Dataset.of([row([WEATHER]), row("?"), pair("a", "b", Origin("x"))])
    tokenizer.chat_template = TEMPLATE.replace("{% if tools %}", "{% if false %}")
    with caplog.at_level(logging.WARNING):
        encoded, dropped = train.encode(loaded, rows, TuneSection())
        train.encode(loaded, rows, TuneSection())
    assert sorted(encoded) == [0, 2] and "no list of functions" in dropped[0].detail
    said = [record.message.partition(" of ")[0] for record in caplog.records]
    assert said == ["1 row is left out", "the chat template"]
    caplog.clear()
    tokenizer.chat_template = TEMPLATE
    train.encode(loaded, rows, TuneSection())
    assert not [record for record in caplog.records if "place for tools" in record.message]
