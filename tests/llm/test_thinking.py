import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import leaven
from leaven.llm.engines.scripted import Scripted
from leaven.llm.protocol import Reply, Sampling
from leaven.llm.replies import all_of, fault
from leaven.llm.thinking import strip
from leaven.rows.example import user


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>2 + 2</think>\n\nFour.", "Four."),
        ("\n<think>\nmany\nlines {}\n</think>\nFour.\n", "Four.\n"),
        ("<think></think>Four.", "Four."),
        ("<think>a</think><think>b</think>Four.", "Four."),
        ("so it is 4\n</think>\n\nFour.", "Four."),  # the template has opened it in the prompt
        ("<think>never closed", ""),
        ("Well. <think>2 + 2</think>Four.", "Well. Four."),
        ("[THINK]2 + 2[/THINK]Four.", "Four."),
        ("<seed:think>2 + 2</seed:think>Four.", "Four."),
        ("◁think▷2 + 2◁/think▷Four.", "Four."),
        ("<|begin_of_thought|>2 + 2<|end_of_thought|>Four.", "Four."),
        ("<thinking>`</thinking>` ends it</thinking>Four.", "Four."),
        ("<think>```\ncode\n</think>```py\nprint(4)\n```", "```py\nprint(4)\n```"),
    ],
)
def test_what_was_thought_is_cut_off(text, left):
    assert strip(text) == left
    assert strip(left) == left


@pytest.mark.parametrize(
    "text",
    [
        "Four.",
        "",
        "  Four. \n",
        "The mark `<think>` opens it, `</think>` closes it.",
        "```\n<think>2 + 2</think>\n```",
        "<thought>It fits.</thought><hallucination>no</hallucination>",
        "if a </ think> b",
    ],
)
def test_a_text_without_thinking_comes_back_as_it_is(text):
    assert strip(text) == text


@given(st.lists(st.sampled_from(["<think>", "</think>", "[THINK]", "`", "```", "a", "\n", " "])).map("".join))
def test_no_thought_in_marks_at_the_beginning_is_ever_left(tail):
    assert "SECRET" not in strip(f"<think>SECRET</think>{tail}")
    assert "SECRET" not in strip(f"SECRET</think>{tail}")


def test_every_reader_gets_replies_without_thinking_and_one_that_only_thought_is_truncated():
    llm = Scripted(lambda prompt, draw: Reply("<think>hm, hm", finish_reason="length"))
    (reply,) = all_of(llm, [user("a")], Sampling())
    assert (reply.text, fault(reply)) == ("", "truncated reply")
    (reply,) = all_of(Scripted(lambda prompt, draw: "<think>hm</think> 4"), [user("a")], Sampling())
    assert (reply.text, fault(reply)) == ("4", "")
    (reply,) = all_of(Scripted(lambda prompt, draw: "<think>hm</think>"), [user("a")], Sampling())
    assert fault(reply) == "empty reply"


def test_no_maker_reads_an_engine_past_it():
    """Outside of the room of engines only what hands replies on as they are asks an engine itself."""
    root = Path(leaven.__file__).parent
    asking = re.compile(r"(?<!thinking)\.replies\(")
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "llm" not in path.relative_to(root).parts and asking.search(path.read_text(encoding="utf-8"))
    }
    assert found <= {"study/questions.py", "serving/check.py"}  # what a server says is compared as it is
