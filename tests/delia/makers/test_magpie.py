from collections import Counter

import pytest

from leaven.delia.makers.magpie import fault, make
from leaven.errors import UserError
from leaven.llm.engines.hf import HF
from leaven.llm.engines.scripted import Scripted
from leaven.llm.protocol import Reply, Sampling
from leaven.models.settings import SampleSection
from leaven.models.template import around_question
from leaven.rows.example import user

CONFIG = SampleSection(max_new_tokens=64)


class Writer:
    """An engine whose questions are told: every fifth a copy, every seventh cut."""

    name = "writer"

    def __init__(self, write=None):
        self.calls = 0
        self.write = write or self.told

    @staticmethod
    def told(number):
        if number % 7 == 6:
            return Reply("What is it that", None, "length")
        return Reply(f"What about number {number if number % 5 else 0}?", None, "stop")

    def replies(self, prompts, sampling):
        if prompts and not prompts[0]:
            assert (sampling.temperature, sampling.top_p) == (1.0, 1.0)
            for index in reversed(range(len(prompts))):
                yield index, self.write(sampling.first + index)
            self.calls += 1
            return
        assert sampling.temperature == 0.7
        yield from Scripted(lambda prompt, draw: prompt[-1].content.upper()).replies(prompts, sampling)


def test_rows_have_questions_and_answers_of_the_model_and_each_question_once(tmp_path):
    outcome = make(Writer(), CONFIG, 0, tmp_path, n=12, chunk=10)
    questions = [row.question for row in outcome.kept]
    assert len(questions) == len(set(questions)) == 12
    assert all(row.answer == row.question.upper() for row in outcome.kept)
    assert Counter(drop.reason for drop in outcome.dropped) == {"duplicate question": 3, "truncated question": 2}
    assert all(row.origin.model == "writer" and row.meta == {"mixture": "diverse"} for row in outcome.kept)


def test_larger_n_goes_on_from_the_chunks_and_says_the_same(tmp_path):
    first, second = Writer(), Writer()
    small = make(first, CONFIG, 0, tmp_path / "a", n=5, chunk=10)
    large = make(second, CONFIG, 0, tmp_path / "a", n=12, chunk=10)
    fresh = make(Writer(), CONFIG, 0, tmp_path / "b", n=12, chunk=10)
    assert (first.calls, second.calls) == (1, 2)  # the second block twice: of five questions one was too few
    assert [row.id for row in large.kept] == [row.id for row in fresh.kept]
    assert [row.id for row in large.kept][:5] == [row.id for row in small.kept]


def test_a_model_that_repeats_itself_stops_with_a_note(tmp_path):
    outcome = make(Writer(lambda number: Reply("Always the same question?")), CONFIG, 0, tmp_path, n=3, chunk=2)
    assert len(outcome.kept) == 1
    assert outcome.notes == ("2 of 3 rows are missing: 30 questions were drawn, 1 can be used",)


def test_failed_calls_are_rows_and_their_chunk_is_made_again(tmp_path):
    flaky = Writer(lambda number: Reply(None, "busy") if number == 1 else Writer.told(number))
    outcome = make(flaky, CONFIG, 0, tmp_path, n=4, chunk=6)
    assert [(drop.reason, drop.detail) for drop in outcome.dropped][:1] == [("the model failed", "busy")]
    assert not list(tmp_path.glob("*.parquet"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Name three rivers, please.", ""),
        ("Why?", "no question"),
        ("Name a bird.<|im_end|>\n<|im_start|>assistant", "markup in the question"),
        ("Sure, I can name three rivers.", "speaks as an assistant"),
        ("How can I help you today?", "speaks as an assistant"),
        ("name THREE lakes", "duplicate question"),
    ],
)
def test_each_fault_has_its_reason(text, reason):
    assert fault(text, Reply(text), {"name three lakes"}) == reason


def test_engines_without_the_template_are_refused(tmp_path):
    with pytest.raises(UserError, match="scripted can't write questions") as caught:
        make(Scripted(lambda prompt, draw: "x"), CONFIG, 0, tmp_path, n=1)
    assert "--llm hf:" in caught.value.hint


@pytest.mark.parametrize(
    ("family", "before", "after"),
    [
        ("llama", "<s>[INST] ", "[/INST]"),
        ("qwen3", "<|im_start|>user\n", "<|im_end|>"),
        ("gemma", "<bos><start_of_turn>user\n", "<end_of_turn>"),
    ],
)
def test_a_question_is_opened_and_ended_as_the_template_does(tiny_model, family, before, after):
    llm = HF.load(tiny_model(family))
    assert around_question(llm.loaded.tokenizer) == (before, after)
    replies = dict(llm.replies([()] * 3, Sampling(1.0, 1.0, 6, 1)))
    assert sorted(replies) == [0, 1, 2]
    assert replies == dict(llm.replies([()] * 3, Sampling(1.0, 1.0, 6, 1)))
    assert all(after not in reply.text for reply in replies.values())
    opened = len(llm.loaded.tokenizer(before, add_special_tokens=False)["input_ids"])
    assert {reply.prompt_tokens for reply in replies.values()} == {opened}


def test_the_models_own_reply_is_not_the_question_it_was_asked(tiny_model):
    llm = HF.load(tiny_model("llama"))
    ((_, answer),) = llm.replies([user("x")], Sampling(1.0, 1.0, 6, 1))
    ((_, question),) = llm.replies([()] * 1, Sampling(1.0, 1.0, 6, 1))
    assert answer.prompt_tokens > question.prompt_tokens


def test_few_rows_take_few_calls(tmp_path):
    """Five rows took 438 calls: a whole chunk of questions, and an answer to each."""
    drawn = []
    llm = Writer(lambda number: drawn.append(number) or Writer.told(number))
    seen = []
    assert len(make(llm, CONFIG, 0, tmp_path, n=5, on_rows=seen.append).kept) == 5
    assert len(drawn) <= 10 and seen == [5]
