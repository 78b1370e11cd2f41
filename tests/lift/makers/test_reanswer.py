from leaven.lift.makers.reanswer import Config, make
from leaven.llm.engines.scripted import Scripted
from leaven.llm.protocol import Reply
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair


def rows(*questions):
    return Dataset.of(
        pair(question, "old", Origin("read", f"d:{n}"), {"topic": n}) for n, question in enumerate(questions)
    )


def test_every_question_gets_a_new_answer_and_names_its_parent():
    data = rows("One?", "Two?")
    outcome = make(data, Scripted(lambda prompt, draw: f" New: {prompt[-1].content} "), Config(), 3)
    assert [row.answer for row in outcome.kept] == ["New: One?", "New: Two?"]
    assert [row.origin.parents for row in outcome.kept] == [(row.id,) for row in data]
    assert [row.meta["topic"] for row in outcome.kept] == [0, 1]
    assert {(row.origin.step, row.origin.model, row.origin.seed) for row in outcome.kept} == {
        ("reanswer", "scripted", 3)
    }
    assert outcome.dropped == ()


def test_a_failure_is_a_row_with_its_reason_and_shifts_nothing():
    said = {"b": Reply(None, "busy"), "c": Reply("half", finish_reason="length"), "d": "  "}
    outcome = make(
        rows("a", "b", " ", "c", "d", "e"), Scripted(lambda p, d: said.get(p[-1].content, "fine")), Config(), 0
    )
    assert [(row.question, row.answer) for row in outcome.kept] == [("a", "fine"), ("e", "fine")]
    assert [(drop.example.question, drop.reason, drop.detail) for drop in outcome.dropped] == [
        ("b", "the model failed", "busy"),
        (" ", "no question", ""),
        ("c", "truncated reply", "half"),
        ("d", "empty reply", "  "),
    ]
    assert all(drop.example.answer is None for drop in outcome.dropped)


def test_earlier_turns_are_asked_along():
    seen = []
    turns = (
        Message("system", "Be brief."),
        Message("user", "Hi"),
        Message("assistant", "Hello"),
        Message("user", "Why?"),
    )
    data = Dataset.of([Example((*turns, Message("assistant", "old")), Origin("read"))])
    make(data, Scripted(lambda prompt, draw: seen.append(prompt) or "x"), Config(), 0)
    assert seen == [turns]


def test_a_conversation_is_answered_after_all_that_was_said_and_a_call_is_no_text():
    call = '{"tool_calls": [{"function": {"name": "clock", "arguments": {}}}]}'
    turns = (
        Message("user", "When?"),
        Message("assistant", "", call),
        Message("tool", "12:00"),
        Message("assistant", "Noon."),
    )
    data = Dataset.of([Example(turns, Origin("read")), Example(turns[:2], Origin("read"))])
    seen = []

    def say(prompt, draw):
        seen.append(prompt)
        return "At twelve."

    outcome = make(data, Scripted(say), Config(), 0)
    assert seen == [turns[:3]]
    assert [row.messages for row in outcome.kept] == [(*turns[:3], Message("assistant", "At twelve."))]
    assert [drop.reason for drop in outcome.dropped] == ["its answer is a tool call"]
