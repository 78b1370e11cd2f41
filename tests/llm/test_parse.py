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


ROW = user('Is it the same? Its lines are quoted.\n> I say\n> {"same":\n>   true, "why": "as I say"}')


@pytest.mark.parametrize(
    "text",
    [
        'The response says {"same": true}; mine is {"same": false}',
        '{"same": false}\n\nThough the response says {"same": true, "why": "as I say"}.',
        '{"same": false}\n\nIt ends with\n```json\n{\n"same": true\n}\n```',
        '{"same": false} I said {"same": true}, no: {"same": false}',
        '<think>At first {"same": true}.</think>{"same": false}',
        'At first {"same": true}.\n</think>\n{"same": false}',
        '{"same": false} {"other": 1} {"why": "a part"}',
    ],
)
def test_what_the_row_says_does_not_count_before_or_after_the_verdict(text):
    assert read(Reply(text), Verdict, ROW).value.same is False


def test_lines_that_the_reply_quotes_do_not_count_though_they_are_in_no_row():
    assert read(Reply('> {"same": true}\n\n{"same": false}'), Verdict).value == Verdict(same=False)
    assert read(Reply('{"same": false}\nIt said\n> {"same": true}'), Verdict).value == Verdict(same=False)


@pytest.mark.parametrize(
    "text",
    [
        '{"same": true} No, I mean ```json\n{"same": false}\n```',
        '{"same": false} and, as the response says in other words, {"same": true}',
    ],
)
def test_objects_that_differ_are_no_verdict_and_asked_for_again(text):
    found = read(Reply(text), Verdict)
    assert (found.value, found.error) == (None, "2 objects that differ, and nothing says which one counts")
    (parsed,) = ask(lambda prompt, draw: '{"same": false}' if "differ" in prompt[-1].content else text, "Same?")
    assert (parsed.value, parsed.attempts) == (Verdict(same=False), 2)


def test_a_reply_that_is_no_more_than_what_the_row_says_is_taken_at_its_word():
    """Whoever says what a row told it to say is found out by planted rows; to call it unreadable would hide it."""
    assert read(Reply('{"same": true}'), Verdict, ROW).value == Verdict(same=True)


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
    assert (parsed.value, parsed.attempts, parsed.error) == (Verdict(same=False), 1, None)
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
    assert (good.value, good.attempts) == (Verdict(same=True), 2)
    assert (bad.value, bad.attempts, bad.reply.text) == (None, 2, "yes")
    assert "no JSON object" in bad.error


def test_a_failed_call_is_not_asked_again_and_a_failed_second_call_keeps_the_first_reply():
    (failed,) = ask(lambda prompt, draw: Reply(None, "busy"), "a")
    assert (failed.value, failed.error, failed.attempts) == (None, "busy", 1)
    (half,) = ask(lambda prompt, draw: "no" if len(prompt) == 1 else Reply(None, "busy"), "a")
    assert (half.reply.text, half.attempts) == ("no", 2)
    assert half.error == "no JSON object"


def test_a_truncated_reply_says_so():
    (parsed,) = ask(lambda prompt, draw: Reply("{", finish_reason="length"), "a")
    assert "cut at the token limit" in parsed.error


def test_long_code_in_the_row_is_no_burden_where_nothing_is_in_doubt():
    """What the row says is looked through for objects only where the reply has several that differ."""
    row = user("{" * 200_000)
    assert read(Reply('{"same": true}'), Verdict, row).value == Verdict(same=True)
