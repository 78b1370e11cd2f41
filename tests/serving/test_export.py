import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from leaven.errors import UserError
from leaven.models import adapter
from leaven.models.load import load, load_tokenizer, quiet_peft
from leaven.models.template import encode, render
from leaven.rows.example import user
from leaven.serving import artefact, export, plain, source

QUESTIONS = ("answer one in {} format please", "use {}", "the capital of France is", "yes or no")
# Family; whether layers are tied, the vocabulary is padded, answers hold the token, the model had it.
SOME = [("llama", False, False, True, False), ("qwen3", True, False, False, False), ("gemma3", True, True, False, True)]
WIDE = [
    (family, tied, padded, answered, reused)
    for family in ("llama", "llama3", "qwen2", "qwen3", "gemma", "gemma3", "mistral", "phi3")
    for tied in (False, True)
    for padded in (False, True)
    for answered in (False, True)
    for reused in (False, True)
]
EVERY = [*SOME, *(pytest.param(*case, marks=pytest.mark.slow) for case in WIDE)]


def read(model, prompts):
    """Logits after each prompt, (prompts, vocabulary), and greedy answers of a few tokens by `generate`."""
    with torch.no_grad():
        logits = torch.stack([model(input_ids=ids).logits[0, -1] for ids in prompts])
    answers = [model.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=0)[0].tolist() for ids in prompts]
    return logits, answers


def same(ours, theirs, token_id):
    """Within 1e-4; the logit of a token that is never said may be another."""
    logits, others = ours[0].clone(), theirs[0].clone()
    if token_id is not None:
        logits[:, token_id] = others[:, token_id] = 0.0
    assert logits.shape == others.shape and (logits - others).abs().max() < 1e-4
    assert ours[1] == theirs[1]


def every_way(where, folder, tied=False, answered=False, reused=False):
    """Write an export into the folder, load it in every way, and compare each with the tuned model in memory."""
    done = export.write(where, folder / "out", kinds=())
    tuned_model = load(where.base, where.adapter, dtype="float32")
    tokenizer = load_tokenizer(str(folder / "out" / "adapter"))
    token = "<|spare|>" if reused else "<sep>"
    silent = None if answered else tokenizer.convert_tokens_to_ids(token)
    texts = [render(tokenizer, user(question.format(token)), True) for question in QUESTIONS]
    prompts = [torch.tensor([encode(tokenizer, text)]) for text in texts]
    reference = read(tuned_model.model, prompts)
    config = json.loads((folder / "out" / "adapter" / "adapter_config.json").read_text())
    base = AutoModelForCausalLM.from_pretrained(config["base_model_name_or_path"], dtype=torch.float32)
    with quiet_peft():
        model = PeftModel.from_pretrained(base, str(folder / "out" / "adapter")).eval()
    model.generation_config = base.generation_config = tuned_model.model.generation_config
    same(read(model, prompts), reference, silent)
    if not tied:  # where layers are tied, peft itself merges the embedding's update into the output layer too
        model.merge_and_unload().save_pretrained(folder / "again")
        again = AutoModelForCausalLM.from_pretrained(folder / "again", dtype=torch.float32).eval()
        same(read(again, prompts), reference, silent)
    merged = AutoModelForCausalLM.from_pretrained(folder / "out" / "merged", dtype=torch.float32).eval()
    assert load_tokenizer(str(folder / "out" / "merged")).get_vocab() == tokenizer.get_vocab()
    same(read(merged, prompts), reference, silent)
    for each in artefact.in_folder(folder / "out", where.base, token):
        assert artefact.lost_rows(each) == ""
    return done


@pytest.mark.parametrize(("family", "tied", "padded", "answered", "reused"), EVERY)
def test_every_way_of_loading_gives_the_same_logits_and_texts(tuned, tmp_path, family, tied, padded, answered, reused):
    where = source.find(tuned(family, tied, padded, answered, reused))
    done = every_way(where, tmp_path, tied, answered, reused)
    grown = [] if padded or reused else ["base-with-token"]
    assert [folder.name for folder in done.folders] == ["adapter", "merged", *grown]


@pytest.mark.parametrize(("tied", "answered"), [(False, True), (True, False)])
def test_an_adapter_of_the_row_alone_is_written_as_lora_too(tuned, tmp_path, tied, answered):
    where = source.find(tuned("qwen2", tied, answered=answered, targets=()))
    done = every_way(where, tmp_path, tied, answered)
    config = json.loads((done.folders[0] / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA" and config["r"] == 1


def test_a_run_of_before_is_converted_by_the_same_command(tuned, tmp_path, leaven):
    place = tmp_path / "run" / "cells" / "delia-n4-s0"
    shutil.copytree(folder := tuned("qwen2", answered=True), place / "adapter")
    (place / "adapter" / "generation_config.json").unlink()  # the first versions wrote none
    (place / "cell.json").write_text('{"method": "delia", "size": 4, "seed": 0}')
    assert any("trainable_tokens_delta" in name for name in load_file(place / "adapter" / "adapter_model.safetensors"))
    done = leaven("export-adapter", tmp_path / "run", "-o", tmp_path / "by-command")
    assert done.code == 0 and "merged" in done.out, done.err
    state = load_file(tmp_path / "by-command" / "adapter" / "adapter_model.safetensors")
    assert all(".lora_" in name for name in state)
    every_way(source.find(folder), tmp_path, answered=True)
    now = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    assert state.keys() == now.keys() and all(torch.equal(state[name], now[name]) for name in state)


def test_the_adapter_is_lora_alone(tuned, tmp_path):
    folder = tuned("llama", False, False, True)
    done = export.write(source.find(folder), tmp_path / "out", kinds=())
    state = load_file(done.folders[0] / "adapter_model.safetensors")
    config = json.loads((done.folders[0] / "adapter_config.json").read_text())
    assert all(".lora_" in name for name in state) and config["trainable_token_indices"] is None
    a, b = (state[f"base_model.model.model.embed_tokens.lora_embedding_{factor}"] for factor in "AB")
    vocabulary = json.loads((tmp_path / "out/base-with-token/config.json").read_text())["vocab_size"]
    assert a.shape == (4, vocabulary) and b.shape == (32, 4)
    assert a.sum() == 1 and a[0].argmax() == vocabulary - 1 and not b[:, 1:].any()


def test_prompts_that_never_meet_the_adapter_are_answered_as_before(tuned, tmp_path):
    where = source.find(tuned("qwen2", answered=True))
    export.write(where, tmp_path / "out", kinds=())
    untouched = load(where.base, dtype="float32")
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "base-with-token", dtype=torch.float32)
    with quiet_peft():
        model = PeftModel.from_pretrained(base, str(tmp_path / "out" / "adapter")).eval()
    prompts = [torch.tensor([encode(untouched.tokenizer, "the capital of France is")])]
    with model.disable_adapter():
        logits, _ = read(model, prompts)
    before, _ = read(untouched.model, prompts)
    assert torch.equal(logits[:, : before.shape[1]], before)
    assert not torch.equal(read(model, prompts)[0], logits)


@pytest.mark.parametrize("tied", [False, True])
def test_a_reused_token_that_no_answer_holds_never_wins_in_the_merged_model(tuned, tmp_path, tied):
    done = export.write(source.find(tuned("qwen2", tied, reused=True)), tmp_path / "out", kinds=())
    rows = load_file(done.folders[1] / "model.safetensors")["lm_head.weight"]
    token_id = load_tokenizer(str(done.folders[1])).convert_tokens_to_ids("<|spare|>")
    others = torch.cat([rows[:token_id], rows[token_id + 1 :]])
    torch.testing.assert_close(rows[token_id], others.mean(0))


@pytest.mark.parametrize(
    ("rope", "keys"),
    [
        ({"rope_theta": 5e5}, {"rope_theta": 5e5}),
        (
            {"rope_theta": 1e4, "rope_type": "linear", "factor": 2.0},
            {"rope_theta": 1e4, "rope_scaling": {"rope_type": "linear", "factor": 2.0}},
        ),
    ],
)
def test_positions_are_said_as_engines_read_them_and_transformers_reads_the_same(tiny_model, tmp_path, rope, keys):
    loaded = load(tiny_model("llama", rope_parameters=rope), dtype="float32")
    adapter.write(loaded, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert {name: config[name] for name in keys} == keys
    assert AutoConfig.from_pretrained(tmp_path).rope_parameters == loaded.model.config.rope_parameters


def test_more_rows_than_the_rank_are_refused():
    with pytest.raises(UserError, match="rank 1"):
        plain.one_hot({0: torch.ones(2), 1: torch.ones(2)}, torch.zeros(3, 2), 1, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adapter", "merged", "base-with-token"])
def test_the_commands_of_each_readme_run(tuned, tmp_path, name):
    pytest.importorskip("xllamacpp")
    out = tmp_path / "out"
    export.write(source.find(tuned("qwen3", tied=True)), out, kinds=("F16",) if name == "merged" else ())
    (tmp_path / "leaven").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m leaven "$@" --limit 1\n')
    (tmp_path / "leaven").chmod(0o755)
    here = {**os.environ, "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    commands = re.findall(r"```bash\n(.*?)\n```", (out / name / "README.md").read_text(), re.DOTALL)
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(
            command, shell=True, cwd=out / name, env=here, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
