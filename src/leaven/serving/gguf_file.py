"""A merged model as one GGUF file, for llama.cpp, Ollama and LM Studio.

The families Llama, Mistral, Qwen2, Qwen3, Gemma, Gemma 3 and Phi 3; any other is refused by name, since a layer written
in the wrong order loads and answers nonsense.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from leaven.errors import UserError
from leaven.models.load import Loaded
from leaven.models.template import end_ids
from leaven.models.window import head_width
from leaven.runs import folder as runs
from leaven.serving import vocabulary

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma": gguf.MODEL_ARCH.GEMMA,
    "gemma3_text": gguf.MODEL_ARCH.GEMMA3,
    "phi3": gguf.MODEL_ARCH.PHI3,
}
"""`model_type` of a configuration, and llama.cpp's name."""
TYPES = {
    "F32": gguf.LlamaFileType.ALL_F32,
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
NAME = "tuned with leaven"
"""Not the base's: by a name such as Phi-3, llama.cpp lets all special tokens swallow what stands after them."""
BLOCK = 32
"""Numbers that share a scale in Q8_0: a row that is no multiple of it stays in F16."""


def write(loaded: Loaded, path: Path, kind: str = "F16") -> None:
    """Write the model whole or not at all, its matrices as `kind`: F32, F16 or Q8_0.

    Raises UserError for a family, a tokenizer or a scaling of positions that this file has no words for.
    """
    config = loaded.model.config
    family = _family(config)
    words = vocabulary.of(loaded.tokenizer, loaded.model.get_input_embeddings().weight.shape[0])

    def make(partial: Path) -> None:
        writer = gguf.GGUFWriter(partial, gguf.MODEL_ARCH_NAMES[family])
        writer.add_name(NAME)
        writer.add_file_type(TYPES[kind])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        _add_sizes(writer, config)
        _add_words(writer, loaded, words)
        for name, weight in _tensors(loaded.model, family, words.copies):
            values, quantised = _values(name, weight, kind)
            writer.add_tensor(name, values, raw_dtype=quantised)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    runs.write(path, make)


def _family(config: Any) -> gguf.MODEL_ARCH:
    if config.model_type not in ARCHITECTURES:
        raise _refused(f"a model of the family {config.model_type}")
    return ARCHITECTURES[config.model_type]


def _refused(what: str) -> UserError:
    return UserError(
        f"no GGUF file is written of {what}",
        "Convert merged/ by llama.cpp's own convert_hf_to_gguf.py; all other folders are there.",
    )


def _add_sizes(writer: gguf.GGUFWriter, config: Any) -> None:
    heads, width = config.num_attention_heads, head_width(config)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads or heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(int(width * (getattr(config, "partial_rotary_factor", None) or 1)))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if window := _window(config):
        writer.add_sliding_window(window)
    if getattr(config, "query_pre_attn_scalar", None) not in (None, width):
        raise _refused(f"attention that is scaled by {config.query_pre_attn_scalar} with heads of {width}")
    positions = config.rope_parameters
    if "full_attention" in positions:
        writer.add_rope_freq_base_swa(positions["sliding_attention"]["rope_theta"])
        writer.add_sliding_window_pattern(_period(config.layer_types))
        positions = positions["full_attention"]
    writer.add_rope_freq_base(positions["rope_theta"])
    if positions.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(positions["factor"])
    elif positions.get("rope_type") not in (None, "default", "llama3"):
        raise _refused(f"positions scaled by {positions['rope_type']}")


def _window(config: Any) -> int | None:
    """How far a layer looks back, where that is less than all."""
    used = getattr(config, "use_sliding_window", True)
    return getattr(config, "sliding_window", None) if used else None


def _period(kinds: list[str]) -> int:
    """Every how many layers one looks back on everything. Raises UserError where that is no rule."""
    period = kinds.index("full_attention") + 1 if "full_attention" in kinds else len(kinds) + 1
    if any((place % period == 0) != (kind == "full_attention") for place, kind in enumerate(kinds, 1)):
        raise _refused("layers that look back on everything at unequal distances")
    return period


def _add_words(writer: gguf.GGUFWriter, loaded: Loaded, words: vocabulary.Vocabulary) -> None:
    tokenizer = loaded.tokenizer
    writer.add_vocab_size(len(words.tokens))
    writer.add_tokenizer_model(words.model)
    if words.pre:
        writer.add_tokenizer_pre(words.pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.kinds)
    if words.model == "llama":
        writer.add_token_scores(words.scores)
        writer.add_add_space_prefix(words.add_space_prefix)
    else:
        writer.add_token_merges(words.merges)
    other = [each for each in end_ids(loaded.model.generation_config) if each != tokenizer.eos_token_id]
    special = {
        writer.add_bos_token_id: tokenizer.bos_token_id,
        writer.add_eos_token_id: tokenizer.eos_token_id,
        writer.add_unk_token_id: tokenizer.unk_token_id,
        writer.add_pad_token_id: tokenizer.pad_token_id,
        writer.add_eot_token_id: other[0] if other else None,
    }
    for add, token_id in special.items():
        if token_id is not None:
            add(token_id)
    begins: list[int] = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(tokenizer.bos_token_id is not None and begins[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(False)
    writer.add_chat_template(tokenizer.chat_template)


def _tensors(model: Any, family: gguf.MODEL_ARCH, copies: list[int]) -> Iterator[tuple[str, torch.Tensor]]:
    """(llama.cpp's name, weight) of every tensor; an output layer that is tied is not written."""
    config = model.config
    names = gguf.get_tensor_name_map(family, config.num_hidden_layers)
    tied = config.tie_word_embeddings
    for name, stored in model.state_dict().items():
        if tied and stored is not None and name == "lm_head.weight":
            continue
        if (target := names.get_name(name, (".weight", ".bias"))) is None:
            raise UserError(f"no GGUF file is written: llama.cpp has no name for {name}", "Serve merged/ by others.")
        weight = _change(config, name)(stored.detach().float().cpu())
        if target in ("token_embd.weight", "output.weight"):
            weight = torch.cat([weight, weight[copies]])
        yield target, weight
    if (positions := config.rope_parameters).get("rope_type") == "llama3":
        yield "rope_freqs.weight", _llama3_factors(config, positions)


def _change(config: Any, name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """What a weight of transformers is in llama.cpp: its pairs of positions side by side, its norms with their 1."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    layer = name.split(".")[-2]
    if config.model_type in ("llama", "mistral") and layer in heads:
        return lambda weight: _side_by_side(weight, heads[layer])
    if config.model_type.startswith("gemma") and layer.endswith("norm"):
        return lambda weight: weight + 1
    return lambda weight: weight


def _side_by_side(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of each head in the order 0, h, 1, h + 1, …, where they were 0, 1, …, h, h + 1, … (h: half of the head)."""
    halves = weight.reshape(heads, 2, -1, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)


def _llama3_factors(config: Any, positions: dict[str, Any]) -> torch.Tensor:
    """What each frequency is divided by (Llama 3.1): slow ones by the factor, fast ones by 1, between them smoothly."""
    width = head_width(config)
    frequencies = positions["rope_theta"] ** -(torch.arange(0, width, 2).float() / width)
    turns = positions["original_max_position_embeddings"] * frequencies / (2 * math.pi)
    low, high = positions["low_freq_factor"], positions["high_freq_factor"]
    fast = ((turns - low) / (high - low)).clamp(0, 1)
    factors: torch.Tensor = 1 / (fast + (1 - fast) / positions["factor"])
    return factors


def _values(name: str, weight: torch.Tensor, kind: str) -> tuple[np.ndarray[Any, Any], gguf.GGMLQuantizationType]:
    values = weight.contiguous().numpy()
    types = gguf.GGMLQuantizationType
    chosen = types[kind]
    if values.ndim == 1:
        chosen = types.F32
    elif kind == "Q8_0" and values.shape[-1] % BLOCK:
        chosen = types.F16
    return gguf.quants.quantize(values, chosen), chosen
