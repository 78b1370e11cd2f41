"""A tokenizer as a GGUF file holds it: its tokens, their kinds, and the name of the way it cuts text into words.

What llama.cpp can't say is refused or written otherwise, never left out. It knows no token that swallows the space
before it (`lstrip`): such a token stands in the file once more for each kind of space, with the same row. The longest
is matched first, so that texts become the same rows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gguf

from leaven.errors import UserError

BLANKS = (" ", "\n", "\n\n", "  ")
"""What stands before a token that swallows blanks: a space, a line, a paragraph; longer runs are not matched."""
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
ENDING = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CASED = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SLASHED = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = {
    rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{ENDING}": "llama-bpe",
    rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{ENDING}": "qwen2",
    rf"{CASED}*{LOWER}+{CONTRACTIONS}?|{CASED}+{LOWER}*{CONTRACTIONS}?|\p{{N}}{{1,3}}|{SLASHED}": "gpt-4o",
    rf"{CASED}*{LOWER}+|{CASED}+{LOWER}*|\p{{N}}|{SLASHED}": "tekken",
}
"""Patterns that words are cut by, and llama.cpp's names for them (of Llama 3, Qwen, Phi 4 and Mistral)."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the file says of a tokenizer; `copies` are the ids whose rows stand once more at its end."""

    model: str
    pre: str
    tokens: list[str]
    kinds: list[gguf.TokenType]
    scores: list[float]
    merges: list[str]
    copies: list[int]
    add_space_prefix: bool = False


def of(tokenizer: Any, rows: int) -> Vocabulary:
    """The vocabulary of a fast tokenizer for an embedding of `rows` rows.

    Raises UserError for a tokenizer that llama.cpp has no word for.
    """
    core = json.loads(tokenizer.backend_tokenizer.to_str())
    model = core["model"]
    if model["type"] != "BPE":
        raise _refused(f"a tokenizer of the type {model['type']}")
    added = {token["id"]: token for token in core["added_tokens"]}
    if swallowing := [token["content"] for token in added.values() if token["rstrip"]]:
        raise _refused(f"tokens that swallow the space after them ({', '.join(swallowing[:3])})")
    names = {token_id: text for text, token_id in tokenizer.get_vocab().items()}
    pieces = bool(model.get("byte_fallback"))
    tokens = [names.get(each, f"[PAD{each}]") for each in range(rows)]
    kinds = [_kind(each, names, added, model) for each in range(rows)]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    copies = []
    for each, token in added.items():
        for blank in BLANKS if token["lstrip"] and each < rows else ():
            tokens.append(blank + token["content"])
            kinds.append(kinds[each])
            copies.append(each)
    scores = _scores(tokens, merges) if pieces else []
    if pieces:
        return Vocabulary("llama", "", tokens, kinds, scores, [], copies, _prefixed(core))
    return Vocabulary("gpt2", _pre(core), tokens, kinds, scores, merges, copies)


def _kind(
    token_id: int, names: Mapping[int, str], added: Mapping[int, Any], model: Mapping[str, Any]
) -> gguf.TokenType:
    kinds = gguf.TokenType
    if token_id in added:
        return kinds.CONTROL if added[token_id]["special"] else kinds.USER_DEFINED
    if token_id not in names:
        return kinds.UNUSED
    text = names[token_id]
    if model.get("byte_fallback") and len(text) == 6 and text.startswith("<0x"):
        return kinds.BYTE
    return kinds.UNKNOWN if text == model.get("unk_token") else kinds.NORMAL


def _pre(core: Mapping[str, Any]) -> str:
    """llama.cpp's name for the way that a byte-level tokenizer cuts text into words."""
    if core["normalizer"] not in (None, {"type": "NFC"}):
        raise _refused(f"the normaliser {core['normalizer']['type']}")
    cutter = core["pre_tokenizer"] or {}
    parts = cutter.get("pretokenizers", [cutter])
    *first, last = parts
    if last.get("type") == "ByteLevel" and not last["add_prefix_space"]:
        if not first and last["use_regex"]:
            return "gpt-2"
        if last["use_regex"] and first == [{"type": "Digits", "individual_digits": True}]:
            return "smollm"
        pattern = first[0].get("pattern", {}).get("Regex", "") if len(first) == 1 and not last["use_regex"] else ""
        if pattern in PATTERNS:
            return PATTERNS[pattern]
    raise _refused(f"the way that this tokenizer cuts text into words ({json.dumps(parts)[:200]})")


def _scores(tokens: list[str], merges: list[str]) -> list[float]:
    """Of pieces as SentencePiece has them: the earlier a piece is merged, the higher."""
    rank: dict[str, int] = {}
    for place, merge in enumerate(merges):
        rank.setdefault(merge.replace(" ", ""), place)
    return [-float(rank.get(text, len(merges))) for text in tokens]


def _prefixed(core: Mapping[str, Any]) -> bool:
    """Whether a space is put before a text."""
    parts = [core["normalizer"] or {}, core["pre_tokenizer"] or {}]
    steps = [step for part in parts for step in part.get("normalizers", part.get("pretokenizers", [part]))]
    return any(
        step.get("type") == "Prepend" or (step.get("type") == "Metaspace" and step.get("prepend_scheme") != "never")
        for step in steps
    )


def _refused(what: str) -> UserError:
    return UserError(
        f"no GGUF file is written: llama.cpp has no name that leaven knows for {what}",
        "Convert merged/ by llama.cpp's own convert_hf_to_gguf.py; all other folders are there.",
    )
