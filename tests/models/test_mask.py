import pytest

from leaven.errors import UserError
from leaven.models import mask
from leaven.models.load import load_tokenizer
from leaven.rows.example import Example, Message, Origin, pair

ENDS = {"llama": "</s>", "qwen3": "<|im_end|>", "gemma": "<end_of_turn>"}


@pytest.mark.parametrize("family", ENDS)
def test_only_the_answer_and_its_end_carry_loss(tiny_model, family):
    tokenizer = load_tokenizer(tiny_model(family))
    found = mask.encode(tokenizer, pair("is this claim true?", "yes or no", Origin("x")))
    pieces = mask.colour(tokenizer, found)
    trained = "".join(text for text, carries in pieces if carries)
    rest = "".join(text for text, carries in pieces if not carries)
    assert trained.strip().startswith("yes or no")
    assert ENDS[family] in trained
    assert "is this claim true?" in rest
    assert "yes" not in rest


def test_of_a_conversation_the_last_answer_alone_carries_loss(tiny_model):
    tokenizer = load_tokenizer(tiny_model("qwen3"))
    turns = [("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four")]
    found = mask.encode(tokenizer, Example(tuple(Message(*turn) for turn in turns), Origin("x")))
    trained = "".join(text for text, carries in mask.colour(tokenizer, found) if carries)
    assert trained.startswith("four") and "two" not in trained


def test_three_tokens_that_can_be_seen(tiny_model):
    tokenizer = load_tokenizer(tiny_model("qwen3"))
    found = mask.encode(tokenizer, pair("a", "b", Origin("x")))
    text = tokenizer.decode(found.input_ids)
    assert text == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
    shown = [tokenizer.decode([t]) for t, m in zip(found.input_ids, found.completion_mask, strict=True) if m]
    assert shown == ["b", "<|im_end|>"]


def test_a_template_without_an_end_gets_the_end_token(tiny_model):
    tokenizer = load_tokenizer(tiny_model("qwen3"))
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}" + (
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    found = mask.encode(tokenizer, pair("a", "b", Origin("x")))
    assert tokenizer.decode(found.input_ids) == "user: a\nassistant: b<|im_end|>"
    assert found.completion_mask[-1] == 1


@pytest.mark.parametrize("family", [*ENDS, "llama3"])
def test_of_a_truncated_answer_no_end_is_learnt(tiny_model, family):
    tokenizer = load_tokenizer(tiny_model(family))
    whole = mask.encode(tokenizer, pair("is this claim true?", "yes or no, with a", Origin("x")))
    cut = mask.encode(tokenizer, pair("is this claim true?", "yes or no, with a", Origin("x"), {"truncated": True}))
    length = len(cut.input_ids)
    assert (cut.input_ids, cut.completion_mask) == (whole.input_ids[:length], whole.completion_mask[:length])
    assert tokenizer.decode(cut.trained).strip() == "yes or no, with a"
    assert [t for t in whole.trained[len(cut.trained) :] if tokenizer.decode([t]).strip()] == [whole.trained[-1]]
    from_csv = pair("is this claim true?", "yes or no, with a", Origin("x"), {"truncated": "true"})
    assert mask.encode(tokenizer, from_csv) == cut


def test_there_is_one_bos(tiny_model):
    tokenizer = load_tokenizer(tiny_model("gemma"))
    found = mask.encode(tokenizer, pair("a", "b", Origin("x")))
    assert found.input_ids.count(tokenizer.bos_token_id) == 1


def test_a_row_without_an_answer_is_refused(tiny_model):
    with pytest.raises(UserError, match=r"rows\.jsonl:3 has no answer"):
        mask.encode(load_tokenizer(tiny_model()), Example((Message("user", "q"),), Origin("x", "rows.jsonl:3")))
