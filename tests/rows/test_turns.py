import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.rows import turns
from leaven.rows.example import Example, Message, Origin
from leaven.rows.turns import RowFault

CALL = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": {"zone": "UTC"}}}
CUSTOM = {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": "ls -l\n"}}
PARTS = [{"type": "text", "text": "What is"}, {"type": "image_url", "image_url": {"url": "x"}}, "on it?"]


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "Ann"},
        {"role": "user", "content": PARTS},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "assistant", "content": "One moment.", "tool_calls": [CALL, CALL]},
        {"role": "assistant", "content": None, "tool_calls": [CUSTOM]},
        {"role": "assistant", "content": "One moment.", "tool_calls": [CUSTOM, CALL]},
        {"role": "assistant", "content": "Noon.", "reasoning_content": "12:00", "weight": 0},
        {"role": "tool", "content": "12:00", "tool_call_id": "c1"},
        {"role": "function", "name": "clock", "content": "12:00"},
        {"role": "assistant", "content": None, "function_call": {"name": "clock", "arguments": "{}"}},
    ],
)
def test_a_turn_comes_back_as_it_was(turn):
    said = turns.message(turn)
    assert turns.openai(said) == turn
    again = turns.message(turns.sharegpt(said))
    assert {**turns.openai(again), "content": None} == {**turn, "content": None}
    assert again.content == said.content


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
further = st.dictionaries(st.sampled_from(["name", "weight", "tool_call_id"]), words)
calls = st.lists(st.builds(lambda name, value: {"type": "function", "function": {"name": name, "arguments": value}},
                           words, st.dictionaries(words, st.integers() | words)), min_size=1, max_size=2)  # fmt: skip


@given(st.sampled_from(["system", "developer", "user", "assistant", "tool"]), words, further)
def test_whatever_a_turn_carries_comes_back_from_either_form(role, content, fields):
    turn = {"role": role, "content": content, **fields}
    assert turns.openai(turns.message(turn)) == turn
    assert turns.message(turns.sharegpt(turns.message(turn)))[:2] == (role, content)


@given(calls)
def test_calls_are_the_same_in_both_forms(called):
    said = turns.message({"role": "assistant", "tool_calls": called})
    assert turns.message(turns.sharegpt(said)).calls == called
    assert turns.message(turns.sharegpt(said)) == said


def test_a_call_of_sharegpt_may_be_thought_over_first():
    turn = {"from": "function_call", "value": '<think>Which zone?</think>\n{"name": "clock", "arguments": {}}'}
    said = turns.message(turn)
    assert (said.role, said.content) == ("assistant", "<think>Which zone?</think>\n")
    assert said.calls[0]["function"] == {"name": "clock", "arguments": {}}
    assert turns.sharegpt(said) == turn


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ({"role": "narrator", "content": "x"}, "wrong role"),
        ({"role": "assistant", "content": None}, "not a text"),
        ({"role": "user", "content": [1]}, "not a text"),
        ({"from": "function_call", "value": "clock()"}, "no tool call"),
        ({"from": "function_call", "value": "[]"}, "no tool call"),
        ({"from": "function_call", "value": None}, "not a text"),
        ({"role": "assistant", "tool_calls": json.dumps([CALL])}, "no tool call"),
        ({"role": "assistant", "tool_calls": ["clock"]}, "no tool call"),
        ({"role": "assistant", "tool_calls": [{"type": "function", "function": {"arguments": "{}"}}]}, "no tool call"),
        ({"role": "assistant", "tool_calls": [{"type": "custom", "custom": {"input": "ls"}}]}, "no tool call"),
        ({"role": "assistant", "content": None, "function_call": {"arguments": "{}"}}, "no tool call"),
    ],
)
def test_what_is_no_turn_is_refused_with_a_reason(turn, reason):
    with pytest.raises(RowFault) as fault:
        turns.message(turn)
    assert fault.value.reason == reason


def test_servers_get_ids_arguments_as_text_and_no_field_that_they_do_not_know():
    said = [
        turns.message({"role": "user", "content": "When?", "weight": 1}),
        turns.message({"from": "function_call", "value": '[{"name": "a", "arguments": {"x": 1}}, {"name": "b"}]'}),
        turns.message({"from": "observation", "value": "1"}),
        turns.message({"from": "observation", "value": "2"}),
    ]
    asked, called, *results = turns.wire(said)
    assert asked == {"role": "user", "content": "When?"}
    assert [(call["id"], call["function"]) for call in called["tool_calls"]] == [
        ("call_1_0", {"name": "a", "arguments": '{"x": 1}'}),
        ("call_1_1", {"name": "b", "arguments": "{}"}),
    ]
    assert [turn["tool_call_id"] for turn in results] == ["call_1_0", "call_1_1"]


def test_a_call_of_a_custom_tool_is_shown_by_its_input_and_sent_as_it_is():
    said = turns.message({"role": "assistant", "tool_calls": [CUSTOM, {**CUSTOM, "id": None}]})
    assert said.text == "\n".join(2 * [json.dumps(CUSTOM["custom"])])
    (sent,) = turns.wire([said])
    assert sent["tool_calls"] == [CUSTOM, {**CUSTOM, "id": "call_0_1"}]


def test_servers_get_calls_of_the_older_form_in_the_newer_one():
    call = {"name": "clock", "arguments": '{"zone": "UTC"}'}
    said = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": None, "function_call": call}]
    said.append({"role": "function", "name": "clock", "content": "12:00"})
    messages = tuple(map(turns.message, said))
    _, called, result = turns.wire(messages)
    assert called["tool_calls"] == [{"id": "call_1_0", "type": "function", "function": call}]
    assert result == {"role": "tool", "name": "clock", "content": "12:00", "tool_call_id": "call_1_0"}
    assert json.loads(Example(messages[:2], Origin("x")).answer) == call


def test_the_id_of_a_row_depends_on_its_calls_and_a_plain_row_keeps_the_one_it_had():
    plain = Example((Message("user", "q"), Message("assistant", "a")), Origin("x"))
    assert plain.id == "a68be1e11fdc"
    called = turns.message({"role": "assistant", "content": "a", "tool_calls": [CALL]})
    assert Example((plain.messages[0], called), Origin("x")).id != plain.id


def test_a_reader_sees_calls_and_earlier_turns():
    said = [{"role": "user", "content": "When?"}, {"role": "assistant", "tool_calls": [CALL]}]
    row = Example(tuple(map(turns.message, [*said, {"role": "tool", "content": "12:00"}])), Origin("x"))
    called = json.dumps(CALL["function"])
    assert row.request == f"user: When?\nassistant: {called}\ntool: 12:00"
    assert Example(row.messages[:2], Origin("x")).answer == called
    assert Example(row.messages[:1], Origin("x")).request == "When?"


@pytest.mark.parametrize(
    "content", ["<think>Which zone?</think>\nI look it up.", "<think>Which zone?</think>\n", "One moment."]
)
def test_words_between_thinking_and_a_call_come_back_from_sharegpt(content):
    message = turns.message({"role": "assistant", "content": content, "tool_calls": [CALL]})
    assert turns.message(turns.sharegpt(message))[:2] == message[:2]
