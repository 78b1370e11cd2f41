"""What an engine is given to load, what it must answer, and whether every row that was learnt is in it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from safetensors import safe_open
from transformers import AutoTokenizer

from leaven.errors import LeavenError
from leaven.rows.example import Prompt


@dataclass(frozen=True, slots=True)
class Artefact:
    """A folder or file of an export; `kind` is adapter, merged or gguf, `base` what an adapter is loaded on."""

    kind: str
    path: Path
    base: str
    token: str

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Reply:
    """A greedy answer, and where an engine tells, the log-probabilities of its likeliest first tokens by their ids.

    `bare` is the text without its special tokens, where both are known; `ids` are those of its tokens, where an engine
    tells them: a token can be said and not be seen.
    """

    text: str
    bare: str | None = None
    first: Mapping[int, float] = field(default_factory=dict)
    ids: frozenset[int] = frozenset()


LOSING = {
    "base_layer.weight": "which vLLM and llama.cpp leave out without a word",
    "trainable_tokens_delta": "which peft alone reads: vLLM refuses it",
    "embed_tokens.weight": "a whole table, which llama.cpp exits on",
    "lm_head.weight": "a whole table, which llama.cpp exits on",
}
"""Parts of names of tensors in an adapter, and what becomes of their rows."""

Ask = Callable[[Sequence[Prompt], int], list[Reply]]
"""(prompts, longest answer in tokens) → a reply to each, greedy."""


class Refused(LeavenError):
    """An engine does not load an artefact, or does not answer: the reason in its own words."""


class Engine(Protocol):
    """What a file in `serving/engines` is: an engine, the kinds of artefact that it loads, and how it is asked."""

    PACKAGES: tuple[str, ...]
    KINDS: tuple[str, ...]

    def serve(self, artefact: Artefact) -> AbstractContextManager[Ask]:
        """Load an artefact, to be asked within the context."""


def in_folder(out: Path, base: str, token: str) -> list[Artefact]:
    """What an export holds."""
    adapter = out / "adapter"
    on = str(out / "base-with-token") if (out / "base-with-token").is_dir() else base
    artefacts = [Artefact("adapter", adapter, on, token)] if adapter.is_dir() else []
    if (merged := out / "merged").is_dir():
        artefacts.append(Artefact("merged", merged, base, token))
        artefacts += [Artefact("gguf", path, base, token) for path in sorted(merged.glob("*.gguf"))]
    return artefacts


def lost_rows(artefact: Artefact) -> str:
    """Why an engine would load the artefact without the row of its token; "" where the row is there."""
    return {"adapter": _lost_by_adapter, "merged": _lost_by_merged, "gguf": _lost_by_gguf}[artefact.kind](artefact)


def _lost_by_adapter(artefact: Artefact) -> str:
    with safe_open(artefact.path / "adapter_model.safetensors", "pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
    for part, why in LOSING.items():
        if name := next((name for name in shapes if part in name), ""):
            return f"it holds {name}, {why}"
    wide = [shape[1] for name, shape in shapes.items() if name.endswith("lora_embedding_A")]
    rows, token_id = _rows(Path(artefact.base)), _token_id(artefact)
    if token_id is None or not wide:
        return f"it holds no row of {artefact.token}" if token_id else f"its tokenizer does not know {artefact.token}"
    if rows is not None and wide[0] != rows:
        return f"its embedding has {wide[0]:,} columns, and {artefact.base} {rows:,} rows"
    return f"{artefact.token} is number {token_id:,} of {wide[0]:,} rows" if token_id >= wide[0] else ""


def _lost_by_merged(artefact: Artefact) -> str:
    rows, token_id = _rows(artefact.path), _token_id(artefact)
    if token_id is None:
        return f"its tokenizer does not know {artefact.token}"
    return f"it has {rows:,} rows, and {artefact.token} is number {token_id:,}" if rows and token_id >= rows else ""


def _lost_by_gguf(artefact: Artefact) -> str:
    import gguf

    reader = gguf.GGUFReader(artefact.path)
    tokens = reader.fields["tokenizer.ggml.tokens"]
    texts = [bytes(tokens.parts[place]).decode("utf-8", "replace") for place in tokens.data]
    rows = next(int(tensor.shape[-1]) for tensor in reader.tensors if tensor.name == "token_embd.weight")
    if artefact.token not in texts:
        return f"its vocabulary does not hold {artefact.token}"
    return "" if rows >= len(texts) else f"it has {rows:,} rows for {len(texts):,} tokens"


def _token_id(artefact: Artefact) -> int | None:
    known: dict[str, int] = AutoTokenizer.from_pretrained(artefact.path).get_vocab()
    return known.get(artefact.token)


def _rows(model: Path) -> int | None:
    """The rows of a model's embedding as they are on disk; None for a model of the hub."""
    for path in sorted(model.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                if name.endswith(("embed_tokens.weight", "wte.weight")):
                    return int(file.get_slice(name).get_shape()[0])
    return None
