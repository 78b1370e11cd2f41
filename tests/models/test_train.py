from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer

from leaven.errors import UserError
from leaven.models import adapter, batches, lora, mask, outline, tokens, train
from leaven.models.load import load, quiet_peft
from leaven.models.settings import TuneSection
from leaven.models.template import encode, render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair, user
from leaven.task.token import TokenSection

ROWS = Dataset.of(pair(f"answer {word} in <sep> format", f"yes, {word}", Origin("x")) for word in ("one two three four "
                  "five six seven France Paris Spain").split())  # fmt: skip
OURS = {"num_train_epochs": 1, "small_data_batch": 4, "learning_rate": 1e-2, "token_learning_rate": 1e-1}
PAPER = {"preset": "paper", "small_data_batch": 4, "learning_rate": 1e-2, "warmup_steps": 1}
CASES = [
    (f, t, p, s) for f in ("llama", "qwen3", "gemma") for t in (False, True) for p in (False, True) for s in (OURS,)
]
CASES += [("llama", False, False, PAPER), ("gemma", True, False, PAPER), ("qwen3", False, True, PAPER)]


def tuned(path, folder, settings, rows=ROWS, seed=0):
    loaded = load(path)
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), seed)
    config = TuneSection.model_validate(settings)
    return loaded, token_id, train.fit(loaded, rows, config, seed=seed, token_id=token_id, folder=folder)


def logits(model, tokenizer):
    ids = encode(tokenizer, render(tokenizer, user("answer one in <sep> format please"), add_generation_prompt=True))
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits


@pytest.mark.parametrize(("family", "tied", "padded", "settings"), CASES)
def test_save_reload_merge_reload_give_the_same_logits(tiny_model, tmp_path, family, tied, padded, settings):
    path = tiny_model(family, tied, padded)
    loaded, token_id, found = tuned(path, tmp_path / "work", settings)
    expected = logits(found.model, loaded.tokenizer)
    start = load(path)
    tokens.add(start.model, start.tokenizer, TokenSection(), 0)
    assert not torch.allclose(expected, logits(start.model, start.tokenizer), atol=1e-3)
    folder = tmp_path / "adapter"
    adapter.save(found.model, loaded.tokenizer, folder, path, TokenSection())
    again = load(path, adapter=folder)
    assert torch.allclose(logits(again.model, again.tokenizer), expected, atol=1e-5)
    scope = {}
    with quiet_peft():
        exec(adapter.snippet(path, str(folder)), scope)  # what the card tells people to type
    assert scope["tokenizer"].convert_tokens_to_ids("<sep>") == token_id
    assert torch.allclose(logits(scope["model"].eval(), scope["tokenizer"]), expected, atol=1e-5)
    adapter.merge(folder, tmp_path / "merged", path)
    merged = load(str(tmp_path / "merged"))
    assert torch.allclose(logits(merged.model, merged.tokenizer), expected, atol=1e-4)
    for place in (folder, tmp_path / "merged"):
        assert AutoTokenizer.from_pretrained(place).pad_token == AutoTokenizer.from_pretrained(path).pad_token
    weights = [file.name for file in tmp_path.rglob("*") if file.suffix in (".bin", ".pt", ".pth", ".pkl")]
    assert not weights


def test_only_the_adapter_and_the_new_row_are_trained(tiny_model, tmp_path):
    path = tiny_model()
    _, token_id, found = tuned(path, tmp_path, OURS)
    before = load(path).model.state_dict()
    with quiet_peft():
        after = found.model.merge_and_unload().state_dict()
    table = "model.embed_tokens.weight"
    assert torch.equal(after[table][: len(before[table])], before[table])
    assert after[table].shape[0] == token_id + 1
    changed = {
        name
        for name in before
        if before[name].shape == after[name].shape and not torch.equal(before[name], after[name])
    }
    assert changed and all(name.split(".")[-2] in ("q_proj", "k_proj", "v_proj", "o_proj") for name in changed)


def test_the_row_has_its_own_learning_rate(tiny_model, tmp_path):
    moves = []
    for rate in (1e-4, 1e-1):
        _, token_id, found = tuned(tiny_model(), tmp_path, {**OURS, "token_learning_rate": rate})
        first = load(tiny_model())
        tokens.add(first.model, first.tokenizer, TokenSection(), 0)
        start = first.model.get_input_embeddings().weight[token_id]
        with quiet_peft():
            end = found.model.merge_and_unload().get_input_embeddings().weight[token_id]
        moves.append(float((end - start).detach().norm()))
    assert moves[1] > 100 * moves[0]


def test_one_seed_gives_one_model(tiny_model, tmp_path):
    runs = [tuned(tiny_model(), tmp_path, OURS, seed=seed)[2] for seed in (1, 1, 2)]
    assert runs[0].losses == runs[1].losses != runs[2].losses
    assert runs[0].tokens == runs[2].tokens > runs[0].trained_tokens > 0


@pytest.mark.parametrize("batching", ["length", "packed", "random"])
def test_the_loss_of_the_first_step_is_the_mean_over_its_trained_tokens(tiny_model, tmp_path, batching):
    path = tiny_model()
    _, _, found = tuned(path, tmp_path, {**OURS, "batching": batching})
    base = load(path)
    tokens.add(base.model, base.tokenizer, TokenSection(), 0)
    total, count = 0.0, 0
    for example in list(ROWS)[:4]:
        row = mask.encode(base.tokenizer, example)
        with torch.no_grad():
            chances = base.model(input_ids=torch.tensor([row.input_ids])).logits[0].log_softmax(-1)
        for place in range(1, len(row.input_ids)):
            if row.completion_mask[place]:
                total, count = total - float(chances[place - 1, row.input_ids[place]]), count + 1
    assert found.steps == 3
    assert found.losses[0] == pytest.approx(total / count, rel=1e-4)


def test_rows_that_can_not_train_are_dropped_with_the_reason_and_said_once(tiny_model, tmp_path, caplog):
    long = pair("q " * 500, "a", Origin("x", "mine.csv:7"))
    rows = ROWS + Dataset.of([Example((Message("user", "q"),), Origin("x")), long, long])
    _, _, found = tuned(tiny_model(), tmp_path, OURS, rows)
    assert [drop.reason for drop in found.dropped] == ["no answer", *["longer than 128 tokens"] * 2]
    tuned(tiny_model(), tmp_path / "again", OURS, rows)
    said = [record.getMessage() for record in caplog.records if "mine.csv" in record.getMessage()]
    assert said == ["1 row is left out of the training, longer than 128 tokens: mine.csv:7"]


def test_a_row_that_the_template_refuses_is_dropped(tiny_model, tmp_path):
    turns = (Message("user", "one"), Message("user", "two"), Message("assistant", "three"))
    _, _, found = tuned(tiny_model("llama"), tmp_path, OURS, ROWS + Dataset.of([Example(turns, Origin("x"))]))
    assert [drop.reason for drop in found.dropped] == ["the chat template does not take it"]
    assert "roles must alternate" in found.dropped[0].detail


def test_an_output_row_is_trained_only_where_answers_hold_the_token(tiny_model, tmp_path):
    answered = Dataset.of(pair(f"answer {word}", f"<sep> {word}", Origin("x")) for word in ("one", "two", "three"))
    for rows, trained in ((ROWS, 1), (answered, 2)):
        path = tiny_model("llama", False, False)
        loaded, _, found = tuned(path, tmp_path / "work", OURS, rows)
        names = [name for name, weight in found.model.named_parameters() if "trainable_tokens" in name]
        assert len(names) == trained
        expected = logits(found.model, loaded.tokenizer)
        adapter.save(found.model, loaded.tokenizer, tmp_path / "adapter", path, TokenSection())
        again = load(path, adapter=tmp_path / "adapter")
        assert torch.allclose(logits(again.model, again.tokenizer), expected, atol=1e-5)


def test_a_model_with_an_adapter_goes_on_with_it(tiny_model, tmp_path):
    loaded, token_id, first = tuned(tiny_model(), tmp_path / "one", OURS)
    before = {name: weight.detach().clone() for name, weight in first.model.named_parameters()}
    again = type(loaded)(first.model, loaded.tokenizer, loaded.path)
    config = TuneSection.model_validate(OURS)
    second = train.fit(again, ROWS, config, seed=1, token_id=token_id, folder=tmp_path / "two").model
    moved = {name for name, weight in second.named_parameters() if not torch.equal(weight, before[name])}
    assert second.state_dict().keys() == first.model.state_dict().keys()
    assert moved and all("lora_" in name or "trainable_tokens" in name for name in moved)


def killed_at(step, folder, path, settings, rows=ROWS):
    """A training that is killed while it tells of a step."""

    def stop(at, *_):
        if at == step:
            raise KeyboardInterrupt

    loaded = load(path)
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    with pytest.raises(KeyboardInterrupt):
        config = TuneSection.model_validate(settings)
        train.fit(loaded, rows, config, seed=0, token_id=token_id, folder=folder, on_step=stop)


def resumed(folder, path, settings, rows=ROWS):
    loaded, told = load(path), []
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    config = TuneSection.model_validate(settings)
    again = train.fit(
        loaded, rows, config, seed=0, token_id=token_id, folder=folder, on_step=lambda *step: told.append(step)
    )
    return loaded, again, told


@pytest.mark.parametrize("more", [{}, {"lora_dropout": 0.3}, {"batching": "packed", "lr_scheduler_type": "linear"}])
def test_a_killed_training_goes_on_from_its_last_whole_state(tiny_model, tmp_path, more):
    settings = {**OURS, "save_steps": 2, "num_train_epochs": 2, **more}
    loaded, _, whole = tuned(tiny_model(), tmp_path / "whole", settings)
    folder = tmp_path / "killed"
    killed_at(5, folder, tiny_model(), settings)
    assert [file.name for file in folder.iterdir()] == ["training.pt"]
    (folder / "training.pt.partial").write_bytes(b"cut off")
    _, again, told = resumed(folder, tiny_model(), settings)
    assert [step for step, *_ in told] == [5, 6]
    assert told[-1][3] == whole.tokens
    assert again.losses == pytest.approx(whole.losses, rel=1e-6)
    assert (again.tokens, again.trained_tokens, again.steps) == (whole.tokens, whole.trained_tokens, whole.steps)
    assert torch.allclose(logits(again.model, loaded.tokenizer), logits(whole.model, loaded.tokenizer), atol=1e-6)
    assert not folder.exists()


@pytest.mark.parametrize("change", [{"learning_rate": 2e-2}, {"rows": Dataset.of(list(ROWS)[:8])}])
def test_a_state_of_another_training_is_not_taken_up(tiny_model, tmp_path, change):
    settings = {**OURS, "save_steps": 1, "num_train_epochs": 2}
    killed_at(3, tmp_path / "killed", tiny_model(), settings)
    rows = change.pop("rows", ROWS)
    _, _, told = resumed(tmp_path / "killed", tiny_model(), {**settings, **change}, rows)
    assert told[0][0] == 1


def test_the_model_is_given_back_as_it_came(tiny_model, tmp_path):
    _, _, found = tuned(tiny_model(), tmp_path, OURS)
    base = found.model.get_base_model()
    assert "forward" not in vars(base) and not found.model.training
    assert not base.get_output_embeddings()._forward_pre_hooks
    assert base.generation_config.eos_token_id == load(tiny_model()).model.generation_config.eos_token_id


def test_unknown_target_modules_name_the_known_ones(tiny_model, tmp_path):
    with pytest.raises(UserError, match=r"no layer called 'c_attn'\n.*down_proj"):
        tuned(tiny_model(), tmp_path, {**OURS, "target_modules": ("c_attn",)})


def test_what_the_check_before_a_study_takes_for_a_layer_is_one(tiny_model):
    """`self_attn.q_proj` passed the check, and the study died of it once its buffer was sampled."""
    model, targets = load(tiny_model()).model, ("self_attn.q_proj",)
    outline.check_targets(model, targets)
    adapted = lora.adapt(model, TuneSection(target_modules=targets), None)
    assert {name.split(".lora_")[0].split(".")[-1] for name, _ in adapted.named_parameters() if "lora_" in name} == {
        "q_proj"
    }


def test_no_rows_left_is_said(tiny_model, tmp_path):
    with pytest.raises(UserError, match="no row is left"):
        tuned(tiny_model(), tmp_path, OURS, Dataset.of([Example((Message("user", "q"),), Origin("x"))]))


def test_a_warm_up_of_one_step_trains_in_it(tiny_model, tmp_path):
    moved = tuned(tiny_model(), tmp_path, {**OURS, "max_steps": 1, "warmup_steps": 1})
    plain = tuned(tiny_model(), tmp_path, {**OURS, "max_steps": 1, "warmup_ratio": 0.0})
    start = load(tiny_model())
    tokens.add(start.model, start.tokenizer, TokenSection(), 0)
    assert not torch.allclose(logits(moved[2].model, moved[0].tokenizer), logits(start.model, start.tokenizer))
    assert torch.equal(logits(moved[2].model, moved[0].tokenizer), logits(plain[2].model, plain[0].tokenizer))


@pytest.mark.parametrize("size", [2, 3, 5, 6])
@pytest.mark.parametrize("batching", ["length", "packed", "random"])
def test_every_row_is_trained_once_an_epoch_at_any_size_of_a_step(tiny_model, tmp_path, size, batching):
    _, _, found = tuned(tiny_model(), tmp_path, {**OURS, "small_data_batch": size, "batching": batching})
    loaded = load(tiny_model())
    tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    encoded = list(train.encode(loaded, ROWS, TuneSection())[0].values())
    assert found.tokens == sum(len(row.input_ids) for row in encoded)
    assert found.trained_tokens == sum(len(row.trained) for row in encoded)
    assert found.steps == -(-len(ROWS) // size)


def test_the_gradient_of_a_step_does_not_depend_on_its_passes(tiny_model, tmp_path):
    """Five rows a step in passes of two, of one and of all: token-normalised over the step, they are one."""
    runs = []
    for batching, size in (("length", 5), ("random", 5), ("random", 1)):
        settings = {**OURS, "small_data_batch": 5, "batching": batching, "per_device_train_batch_size": size}
        runs.append(tuned(tiny_model(), tmp_path, settings)[2].losses)
    assert runs[0] == pytest.approx(runs[1], rel=1e-4) and runs[1] == pytest.approx(runs[2], rel=1e-4)


def test_gradient_checkpointing_changes_no_loss_and_is_off_afterwards(tiny_model, tmp_path):
    plain = tuned(tiny_model(), tmp_path, OURS)[2]
    frugal = tuned(tiny_model(), tmp_path, {**OURS, "gradient_checkpointing": True})[2]
    assert frugal.losses == pytest.approx(plain.losses, rel=1e-5)
    assert not frugal.model.is_activation_checkpointing


def test_any_function_of_a_batch_is_a_loss(tiny_model, tmp_path):
    def squares(model, batch):
        return batch.logits(model).square().sum()

    loaded = load(tiny_model())
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    config = TuneSection.model_validate({**OURS, "num_train_epochs": 4})
    found = train.fit(loaded, ROWS, config, seed=0, token_id=token_id, folder=tmp_path, objective=squares)
    assert found.losses[-1] < found.losses[0]


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_the_logits_of_a_batch_are_those_of_the_model_where_a_token_is_trained(tiny_model, family):
    loaded = load(tiny_model(family, final_logit_softcapping=2.0) if family == "gemma3" else tiny_model(family))
    rows = list(train.encode(loaded, ROWS, TuneSection())[0].values())
    for packed in (False, True):
        batch = batches.Batch.of(rows, loaded.tokenizer.pad_token_id, packed, loaded.model.device)
        with torch.no_grad():
            whole = loaded.model(**batch.inputs, use_cache=False).logits[batch.target != batches.IGNORED]
            assert torch.allclose(batch.logits(loaded.model), whole, atol=1e-6)
        assert len(whole) == len(batch.answers) == sum(len(row.trained) for row in rows)


def test_rows_without_loss_take_part_in_steps_and_train_nothing(tiny_model, tmp_path):
    masked = Dataset.of(replace(row, meta={mask.WITHOUT_LOSS: True}) for row in ROWS)
    half = Dataset.of([*list(ROWS)[:4], *list(masked)[4:]])
    _, _, found = tuned(tiny_model(), tmp_path, {**OURS, "small_data_batch": 4}, half)
    assert found.steps == 3 and found.losses[0] > 0 and found.losses[1:] == (0.0, 0.0)
    _, _, whole = tuned(tiny_model(), tmp_path, {**OURS, "small_data_batch": 4})
    assert found.tokens == whole.tokens > whole.trained_tokens > found.trained_tokens > 0
    loaded, _, nothing = tuned(tiny_model(), tmp_path, {**OURS, "weight_decay": 0.0}, masked)
    start = load(tiny_model())
    tokens.add(start.model, start.tokenizer, TokenSection(), 0)
    assert torch.equal(logits(nothing.model, loaded.tokenizer), logits(start.model, start.tokenizer))
