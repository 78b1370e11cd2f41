import json
from typing import Literal

import pytest
from pydantic import BaseModel

from leaven.llm.engines.scripted import Scripted
from leaven.llm.parse import read, structured
from leaven.llm.protocol import Reply, Sampling
from leaven.rows.example import user


class Verdict(BaseModel):
    same: bool
    why: str = ""
    grade: Literal["good", "bad"] = "good"


class Outer(BaseModel):
    verdict: Verdict


def ask(answer, *texts):
    llm = Scripted(answer)
    found = dict(structured(llm, [user(text) for text in texts], Verdict, Sampling()))
    assert sorted(found) == list(range(len(texts)))
    return [found[index] for index in range(len(texts))]


@pytest.mark.parametrize(
    "text",
    [
        '{"same": true}',
        'Sure!\n```json\n{"same": true}\n```\nAnything else?',
        "{'same': True}",
        '{"same": true',
        "{same: true,}",
        '<think>{is it?}</think> {"same": true}',
        'No {"other": 1} but {"same": true}',
    ],
)
def test_an_object_is_found_wherever_it_stands(text):
    found = read(Reply(text), Verdict)
    assert (found.value, found.error) == (Verdict(same=True), None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no", "no JSON object"),
        ("", "no JSON object"),
        ('{"same": "perhaps"}', "same: Input should be a valid boolean"),
        ('{"why": "x"}', "same: Field required"),
        ('{"same": true, "grade": "fair"}', "grade"),
    ],
)
def test_what_does_not_fit_has_a_reason(text, fault):
    found = read(Reply(text), Verdict)
    assert found.value is None
    assert fault in found.error


def test_a_part_of_an_object_is_no_object():
    assert read(Reply('{"wrong": {"same": true}}'), Verdict).value is None
    assert read(Reply('{"verdict": {"same": true}}'), Outer).value == Outer(verdict=Verdict(same=True))


@pytest.mark.parametrize(
    "text",
    [
        'The response says {"same": true}; mine is {"same": false}',
        '<think>At first {"same": true}.</think>{"same": false}',
        '{"same": true} No, I mean ```json\n{"same": false}\n``` {"other": 1}',
        'At first {"same": true}.\n</think>\n{"same": false}',
    ],
)
def test_the_last_object_counts_and_none_that_was_quoted_or_thought(text):
    assert read(Reply(text), Verdict).value == Verdict(same=False)


def test_where_the_last_object_does_not_fit_no_draft_counts():
    found = read(Reply('{"same": true} and then {"same": "perhaps"}'), Verdict)
    assert (found.value, found.error.partition(":")[0]) == (None, "same")
    assert read(Reply('<think>{"same": true}</think>It can not be said.'), Verdict).error == "no JSON object"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('The response says {"same": true}, which', None),  # what would have come counts
        ('{"same": true, "why": "be', None),
        ('<think>{"same": true}', None),
        ('{"same": true}\n\nLet me go on', Verdict(same=True)),
        ('```json\n{"same": true}\n```\nLet me go on', Verdict(same=True)),
    ],
)
def test_of_a_reply_that_was_cut_only_a_whole_object_at_its_beginning_counts(text, value):
    found = read(Reply(text, finish_reason="length"), Verdict)
    assert (found.value, found.error) == (value, None if value else "cut at the token limit")


@pytest.mark.parametrize("takes", [True, False])
def test_the_schema_stands_in_the_sampling_and_where_no_engine_reads_it_in_the_prompt(takes):
    seen = []

    class Spy:
        name = "spy"
        takes_schema = takes

        def replies(self, prompts, sampling):
            seen.append((prompts, sampling))
            yield from ((index, Reply('{"same": false}')) for index in range(len(prompts)))

    ((_, parsed),) = structured(Spy(), [user("Same?")], Verdict, Sampling())
    assert (parsed.value, parsed.asked, parsed.error) == (Verdict(same=False), 1, None)
    ((prompts, sampling),) = seen
    assert prompts[0][-1].content.startswith("Same?")
    assert ('"same"' in prompts[0][-1].content) != takes
    assert json.loads(sampling.schema) == Verdict.model_json_schema()


def test_an_unreadable_reply_is_asked_for_once_more_with_the_reason():
    def answer(prompt, draw):
        if len(prompt) == 1:
            return "yes"
        assert prompt[1].content == "yes"
        assert "no JSON object" in prompt[2].content
        return '{"same": true}' if "a" in prompt[0].content[:1] else "yes, really"

    good, bad = ask(answer, "a", "b")
    assert (good.value, good.asked) == (Verdict(same=True), 2)
    assert (bad.value, bad.asked, bad.reply.text) == (None, 2, "yes")
    assert "no JSON object" in bad.error


def test_a_failed_call_is_not_asked_again_and_a_failed_second_call_keeps_the_first_reply():
    (failed,) = ask(lambda prompt, draw: Reply(None, "busy"), "a")
    assert (failed.value, failed.error, failed.asked) == (None, "busy", 1)
    (half,) = ask(lambda prompt, draw: "no" if len(prompt) == 1 else Reply(None, "busy"), "a")
    assert (half.reply.text, half.asked) == ("no", 2)
    assert half.error == "no JSON object"


def test_a_truncated_reply_says_so():
    (parsed,) = ask(lambda prompt, draw: Reply("{", finish_reason="length"), "a")
    assert "cut at the token limit" in parsed.error
