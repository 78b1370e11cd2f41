"""A model and its tokenizer from a folder or a hub id, with or without an adapter, ready to run."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import GENERATION_CONFIG_NAME
from transformers.utils import logging as transformers_logging

from leaven.errors import UserError, first_line, nearest
from leaven.models import heap, mesh, names, precision, shelf

logger = logging.getLogger(__name__)

HALF = (torch.bfloat16, torch.float16)
NARROW = 256
"""Models of a smaller width are as fast in float32: what their steps cost is not the products."""
ROWS_FILE = "token_rows.safetensors"
"""Beside an adapter: rows of the embedding that plain LoRA can't carry (`models/adapter.py` writes it)."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A causal language model in evaluation mode, its fast tokenizer, and where both came from."""

    model: Any
    tokenizer: Any
    path: str


def load(
    path: str,
    adapter: Path | None = None,
    dtype: str = "auto",
    load_in_8bit: bool = False,
    trust_remote_code: bool = False,
) -> Loaded:
    """The model at `path` (a name, a folder or a hub id), on the GPU if there is one; `adapter` has its own tokenizer.

    `dtype` "auto" is chosen (`dtype_name`), "stored" that of the weights on disk.
    Raises UserError for anything that is not a causal language model in safetensors with a fast tokenizer and a chat
    template.
    """
    path = names.path(path)
    names.check_folder(path)
    if adapter is not None:
        names.check_adapter(adapter)
    tokenizer = load_tokenizer(path if adapter is None else str(adapter), trust_remote_code)
    model = _load_model(path, dtype, load_in_8bit, trust_remote_code)
    if adapter is not None:
        model = _attach(model, tokenizer, adapter)
    return Loaded(model.eval(), tokenizer, path)


def load_tokenizer(path: str, trust_remote_code: bool = False) -> Any:
    """The fast tokenizer at `path`, padding on the left; its padding token, where it has none, is its end token.

    `models/adapter` never writes this padding token.
    """
    path = names.path(path)
    with foreign_errors(path):
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)
    if tokenizer.vocab_size <= len(tokenizer.all_special_tokens):  # of some kinds an empty one is made where none is
        raise _no_tokenizer(path)
    if not tokenizer.is_fast:
        raise UserError(
            f"the tokenizer of {path} is not a fast one", "Convert it to tokenizer.json: character offsets are needed."
        )
    if not tokenizer.chat_template:
        raise UserError(
            f"the tokenizer of {path} has no chat template", "Use the -Instruct or -it variant, or add a template."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    tokenizer.padding_side = "left"
    # Of a text that is too long it would say, in every cell anew, that it is going to be run all the same.
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    return tokenizer


def dtype_name(path: str, dtype: str, trust_remote_code: bool = False) -> str:
    """The dtype, "auto" resolved for the model at `path` (a name, a folder or a hub id) on this machine.

    On a GPU that is bfloat16. On a CPU a model stored in float32 stays so, as does a narrow one, which has nothing to
    gain; any other runs in whichever of bfloat16 and float32 is faster there.
    """
    if dtype != "auto":
        return dtype
    if device().type == "cuda":
        return "bfloat16"
    config = text_config(path, trust_remote_code)
    width = getattr(config, "hidden_size", None) or 0
    return precision.faster(width) if config.dtype in HALF and width >= NARROW else "float32"


def text_config(path: str, trust_remote_code: bool = False) -> Any:
    """The configuration of the language model at `path` (a name, a folder or a hub id), without its weights."""
    path = names.path(path)
    with foreign_errors(path):
        return AutoConfig.from_pretrained(path, trust_remote_code=trust_remote_code).get_text_config()


def device() -> torch.device:
    """Where models go: the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def grow(model: Any, rows: int) -> None:
    """Give the embedding (and an untied output layer) `rows` rows; the new ones hold the mean of the old ones."""
    old = model.get_input_embeddings().weight.shape[0]
    if rows <= old:
        return
    # Without mean_resizing transformers initialises the rows from the global generator: forked, so that it stays put.
    with torch.random.fork_rng(), torch.no_grad():
        model.resize_token_embeddings(rows, mean_resizing=False)
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            if layer is not None:
                layer.weight[old:] = layer.weight[:old].float().mean(0).to(layer.weight)  # (rows - old, width)


def _load_model(path: str, dtype: str, load_in_8bit: bool, trust_remote_code: bool) -> Any:
    where = device()
    if where.type == "cpu":
        torch.set_flush_denormal(True)  # values that become denormal slow a training step down severalfold
        heap.keep()
    torch_dtype = "auto" if dtype == "stored" else getattr(torch, dtype_name(path, dtype, trust_remote_code))
    arguments: dict[str, Any] = {"dtype": torch_dtype}
    if load_in_8bit and (quantization := _eight_bit(where)) is not None:
        arguments |= {"quantization_config": quantization, "device_map": {"": where}}
    with foreign_errors(path):
        # use_safetensors=True: pickled weights can run code when they are read, so they are refused.
        model = AutoModelForCausalLM.from_pretrained(
            path, use_safetensors=True, trust_remote_code=trust_remote_code, **arguments
        )
    return model if "device_map" in arguments else model.to(_home(model, where))


def _home(model: Any, where: torch.device) -> torch.device:
    """Where the whole model is: of several processes the first keeps one that would fill half of its GPU in memory."""
    if mesh.processes() == 1 or where.type == "cpu":
        return where
    size = sum(weight.nbytes for weight in model.parameters())
    return where if size < torch.cuda.get_device_properties(where).total_memory / 2 else torch.device("cpu")


def _eight_bit(where: torch.device) -> Any | None:
    if mesh.processes() > 1:
        logger.warning("load_in_8bit is left out: several processes share the weights in 16 bits")
        return None
    try:
        import bitsandbytes  # noqa: F401
        from transformers import BitsAndBytesConfig
    except ImportError:
        logger.warning("load_in_8bit is left out: bitsandbytes is not installed")
        return None
    if where.type != "cuda":
        logger.warning("load_in_8bit is left out: it needs a CUDA GPU")
        return None
    return BitsAndBytesConfig(load_in_8bit=True)


def _attach(model: Any, tokenizer: Any, adapter: Path) -> Any:
    """The model with the adapter on top; rows that the adapter's token needs are there first."""
    grow(model, len(tokenizer))
    if (adapter / ROWS_FILE).is_file():
        rows = load_file(adapter / ROWS_FILE)
        with torch.no_grad():
            model.get_input_embeddings().weight[rows["ids"]] = rows["input"].to(model.get_input_embeddings().weight)
            if "output" in rows:
                model.get_output_embeddings().weight[rows["ids"]] = rows["output"].to(
                    model.get_output_embeddings().weight
                )
    if (adapter / GENERATION_CONFIG_NAME).is_file():
        model.generation_config = GenerationConfig.from_pretrained(adapter)
    with quiet_peft():
        return PeftModel.from_pretrained(model, str(adapter))


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Two warnings of peft off: of an attribute that transformers has renamed, and of tied weights, which we want."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", "Model (has|with) `tie_word_embeddings=True`", UserWarning)
        yield


@contextmanager
def no_bars() -> Iterator[None]:
    """The progress bars of transformers off: a file or a pipe takes each of their states for a line."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


@contextmanager
def foreign_errors(path: str) -> Iterator[None]:
    """What transformers raises for a bad path, as a UserError, and its progress bars off."""
    try:
        with no_bars():
            yield
    except OSError as error:
        raise UserError(*_explain(path, error)) from error
    except ValueError as error:
        if "instantiate the backend tokenizer" in str(error):
            raise _no_tokenizer(path) from error
        hint = "If you trust its authors, set trust_remote_code: true." if "trust_remote_code" in str(error) else ""
        fault = f"{path} is not a causal language model that can be loaded: {first_line(error)}"
        raise UserError(fault, hint) from error


def _no_tokenizer(path: str) -> UserError:
    hint = "Put tokenizer.json and tokenizer_config.json beside its weights, as its authors published them."
    return UserError(f"{path} holds no tokenizer that can be loaded", hint)


def _explain(path: str, error: OSError) -> tuple[str, str]:
    message = str(error)
    if "safetensors" in message or ".bin" in message:
        return f"{path} has no weights in safetensors", "Pickled weights are refused: convert them to safetensors."
    if Path(path).expanduser().is_dir():
        return f"{path} can't be read: {first_line(error)}", "Check that the folder is a whole model."
    hint = "Check the name and the network."
    if "/" not in path:
        writers = [name for name, model in shelf.SHELF.items() if not model.embeds]
        hint = f"{nearest(path, ['lab', *writers])} Or a folder, or a hub id such as Qwen/Qwen3-0.6B."
    return f"the model {path} is neither a folder here nor reachable on the hub", hint
