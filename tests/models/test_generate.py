import pytest
import torch

from leaven.models import generate as module
from leaven.models.generate import generate, stop_ids
from leaven.models.load import load
from leaven.models.template import encode, render
from leaven.rows.example import Message, user

PROMPTS = [
    user("the capital of France"),
    user("is this claim true? answer in json format please, do not use the json format"),
    user("one two three"),
    user("one two three four five six seven and a label"),
    user("no"),
]


def hugging_face(loaded, prompts, **arguments):
    """Each answer by transformers' own generate, all prompts in one left-padded batch."""
    texts = [render(loaded.tokenizer, prompt, True) for prompt in prompts]
    batch = loaded.tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
    output = loaded.model.generate(
        **{name: batch[name] for name in ("input_ids", "attention_mask")},
        pad_token_id=loaded.tokenizer.pad_token_id,
        **arguments,
    )
    return [row[batch["input_ids"].shape[1] :].tolist() for row in output]


def ours(loaded, prompts, monkeypatch, **arguments):
    """Each answer's token ids by our own loop."""
    seen = {}
    original = module._decode

    def watch(*args):
        for row in original(*args):
            seen[row.index] = row.answer
            yield row

    monkeypatch.setattr(module, "_decode", watch)
    list(generate(loaded.model, loaded.tokenizer, prompts, **arguments))
    monkeypatch.setattr(module, "_decode", original)
    return [seen[index] for index in range(len(prompts))]


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma", "gemma3"])
@pytest.mark.parametrize("batch_size", [0, 2])
def test_greedy_is_transformers_generate_token_for_token(tiny_model, monkeypatch, family, batch_size):
    loaded = load(tiny_model(family))
    stops = stop_ids(loaded.model, loaded.tokenizer)
    theirs = hugging_face(loaded, PROMPTS, max_new_tokens=24, do_sample=False)
    mine = ours(loaded, PROMPTS, monkeypatch, max_new_tokens=24, batch_size=batch_size)
    for their, my in zip(theirs, mine, strict=True):
        end = next((place + 1 for place, token in enumerate(their) if token in stops), len(their))
        assert my == their[:end]
    assert len(set(map(tuple, mine))) == len(mine)


SYSTEM = Message("system", "answer in json format please, with a thought and a label: " * 3)


@pytest.mark.parametrize("family", ["qwen3", "llama3", "gemma3"])
@pytest.mark.parametrize("batch_size", [0, 2])
def test_what_prompts_share_is_read_once_and_nothing_changes(tiny_model, monkeypatch, family, batch_size):
    loaded = load(tiny_model(family, max_position_embeddings=256))
    prompts = [
        (SYSTEM, *prompt) if family != "gemma3" else user(SYSTEM.content + prompt[0].content) for prompt in PROMPTS
    ]
    lengths = [len(encode(loaded.tokenizer, render(loaded.tokenizer, prompt, True))) for prompt in prompts]
    read = []
    loaded.model.get_input_embeddings().register_forward_hook(lambda _, args, __: read.append(args[0].shape))
    mine = ours(loaded, prompts, monkeypatch, max_new_tokens=16, batch_size=batch_size)
    tokens_read = sum(rows * columns for rows, columns in read if columns > 1)
    theirs = hugging_face(loaded, prompts, max_new_tokens=16, do_sample=False)
    stops = stop_ids(loaded.model, loaded.tokenizer)
    for their, my in zip(theirs, mine, strict=True):
        end = next((place + 1 for place, token in enumerate(their) if token in stops), len(their))
        assert my == their[:end]
    # A window that slides over columns would lose the prefix from sight: such a model reads all of every prompt.
    assert (tokens_read < 0.6 * sum(lengths)) == (family != "gemma3")


def test_a_shared_prefix_changes_logits_by_rounding_alone(tiny_model, monkeypatch):
    loaded = load(tiny_model("qwen3", max_position_embeddings=256))
    prompts = [(SYSTEM, *prompt) for prompt in PROMPTS]
    seen = []

    def watch(logits, *_):
        seen.append(logits.clone())
        return logits.argmax(-1)

    monkeypatch.setattr(module, "draw", watch)
    monkeypatch.setattr(module, "TOKENS_READ", 10_000)
    for shared in (8, 10_000):
        monkeypatch.setattr(module, "SHARED", shared)
        list(generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=6))
    half = len(seen) // 2
    for once, whole in zip(seen[:half], seen[half:], strict=True):
        assert torch.allclose(once, whole, atol=1e-4)


def test_an_answer_stops_at_every_end_token_of_the_generation_config(tiny_model):
    loaded = load(tiny_model("qwen3"))
    answers = dict(generate(loaded.model, loaded.tokenizer, PROMPTS, temperature=1.5, max_new_tokens=60, seed=3))
    stopping = load(tiny_model("qwen3"))
    stopping.model.generation_config.eos_token_id = list(range(0, len(loaded.tokenizer), 2))
    stopped = dict(generate(stopping.model, stopping.tokenizer, PROMPTS, temperature=1.5, max_new_tokens=60, seed=3))
    assert {a.finish_reason for a in stopped.values()} == {"stop"}
    for index, answer in stopped.items():
        assert answer.completion_tokens < 20
        assert answer.prompt_tokens == answers[index].prompt_tokens


def test_a_row_draws_the_same_alone_and_in_any_batch(tiny_model):
    loaded = load(tiny_model("gemma"))
    arguments = {"temperature": 0.9, "top_p": 0.9, "max_new_tokens": 20, "seed": 7}
    together = dict(generate(loaded.model, loaded.tokenizer, PROMPTS, **arguments))
    fewer = dict(generate(loaded.model, loaded.tokenizer, PROMPTS[:3], batch_size=2, **arguments))
    assert {index: together[index] for index in fewer} == fewer
    other = dict(generate(loaded.model, loaded.tokenizer, PROMPTS, **{**arguments, "seed": 8}))
    assert other != together


def test_a_prompt_without_room_is_an_empty_answer_cut_by_length_and_said(tiny_model, caplog):
    loaded = load(tiny_model("llama", max_position_embeddings=40))
    prompts = [user("one " * 60), user("one"), user("one two " * 2)]
    answers = dict(generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=100))
    assert answers[0].text == "" and answers[0].finish_reason == "length" and answers[0].completion_tokens == 0
    for index in (1, 2):
        assert answers[index].prompt_tokens + answers[index].completion_tokens <= 40
    assert "1 of 3 prompts fill the model's context of 40 tokens, which leaves no answer" in caplog.messages
    assert dict(generate(loaded.model, loaded.tokenizer, [])) == {}


def test_new_special_tokens_stay_in_the_text_and_end_tokens_do_not(tiny_model, monkeypatch):
    loaded = load(tiny_model("qwen3", padded=True))
    loaded.tokenizer.add_tokens(["<sep>"], special_tokens=True)
    say = [*encode(loaded.tokenizer, "yes <sep> no"), loaded.tokenizer.eos_token_id]
    steps = iter(say)
    monkeypatch.setattr(module, "draw", lambda logits, *_: torch.tensor([next(steps)] * len(logits)))
    (_, answer), *_ = generate(loaded.model, loaded.tokenizer, [user("one")])
    assert answer.text == "yes <sep> no"
    assert (answer.finish_reason, answer.completion_tokens) == ("stop", len(say))


def test_a_template_without_system_role_gets_the_system_text_in_the_first_user_turn(tiny_model):
    tokenizer = load(tiny_model("gemma")).tokenizer
    text = render(tokenizer, (Message("system", "be brief"), Message("user", "hello")), True)
    assert text == "<bos><start_of_turn>user\nbe brief\n\nhello<end_of_turn>\n<start_of_turn>model\n"
    assert encode(tokenizer, text).count(tokenizer.bos_token_id) == 1
