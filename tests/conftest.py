"""No network in any test, the command as a user runs it, and tiny random models with fast tokenizers of their own."""

import contextlib
import gc
import io
import json
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
# Tests run two at a time on two cores: threads of one would wait for those of the other, and take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from leaven.errors import UserError
from leaven.models import shelf

# A property is tried on the same examples every time, and has no time limit: how long it takes is the machine's affair.
# `make test-all` asks for a hundred (--hypothesis-profile=thorough).
hypothesis.settings.register_profile("leaven", deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.register_profile("thorough", deadline=None, derandomize=True, max_examples=100)
hypothesis.settings.load_profile("leaven")

COPIED = ("Paris", "Madrid", "one", "two", "json", "label", "claim", "model")
SENTENCES = (
    "the capital of France is Paris and the capital of Spain is Madrid",
    "answer in json format please, do not use the json format",
    "is this claim true? yes or no, with a thought and a label",
    "user assistant system model one two three four five six seven",
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
    "{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + (('<<SYS>>' + system + '<</SYS>>') if system and "
    "loop.first else '') + m['content'] | trim + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' "
    "+ m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
SPARE = "<|spare|>"
PRINTABLE = [chr(code) for code in range(33, 127)] + ["Ġ", "Ċ"]
TERMINAL = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"}
# family -> (chat template, bos, eos, pad, further special tokens, tokens that end an answer)
FAMILIES = {
    "llama": (LLAMA_2, "<s>", "</s>", None, ("<|reserved_special_token_0|>",), ("</s>",)),
    "llama3": (LLAMA_3, "<|begin_of_text|>", "<|end_of_text|>", None, HEADERS, ("<|end_of_text|>", "<|eot_id|>")),
    "qwen3": (CHATML, None, "<|im_end|>", "<|endoftext|>", ("<|im_start|>",), ("<|im_end|>", "<|endoftext|>")),
    "gemma": (GEMMA, "<bos>", "<eos>", "<pad>", ("<start_of_turn>", "<end_of_turn>"), ("<eos>", "<end_of_turn>")),
    "gemma3": (GEMMA, "<bos>", "<eos>", "<pad>", ("<start_of_turn>", "<end_of_turn>"), ("<eos>", "<end_of_turn>")),
    "mistral": (LLAMA_2, "<s>", "</s>", None, (), ("</s>",)),
    "phi3": (CHATML, "<s>", "<|im_end|>", "<|endoftext|>", ("<|im_start|>",), ("<|im_end|>", "<|endoftext|>")),
    "qwen2": (CHATML, None, "<|im_end|>", "<|endoftext|>", ("<|im_start|>",), ("<|im_end|>", "<|endoftext|>")),
}


def pytest_configure():
    """Of what is imported nothing is garbage: to look through it again and again took a seventh of the suite's time."""
    gc.set_threshold(10_000, 10, 10)


def pytest_collection_finish():
    gc.freeze()


def pytest_runtest_setup(item):
    """What is marked `real` is skipped where the real model is not on this machine."""
    if item.get_closest_marker("real"):
        try:
            shelf.path("smollm2")
        except UserError as error:
            pytest.skip(str(error))


@pytest.fixture(autouse=True)
def no_minilm(monkeypatch):
    """What is embedded by default does not depend on what was got on this machine."""
    is_available = shelf.is_available
    monkeypatch.setattr(shelf, "is_available", lambda name: name != "minilm" and is_available(name))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    connect = socket.socket.connect

    def loopback_only(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError("a test tried to reach the network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", loopback_only)


@pytest.fixture
def leaven(tmp_path, monkeypatch):
    """Run `leaven …` in a folder of its own, in this process; the result has code, out, err."""
    from leaven.cli.main import run

    def call(*words, **env):
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as here, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            here.chdir(tmp_path)
            here.setattr(sys, "argv", ["leaven", *map(str, words)])
            for name, value in {**TERMINAL, **env}.items():
                here.setenv(name, value)
            try:
                run()
                code = 0
            except SystemExit as end:
                code = end.code or 0
        return SimpleNamespace(code=code, out=out.getvalue(), err=err.getvalue())

    return call


@pytest.fixture
def process(tmp_path):
    """The same in a process of its own, for the few tests of what only a whole process can show."""

    def call(*words, **env):
        done = subprocess.run(
            [sys.executable, "-m", "leaven", *map(str, words)],
            cwd=tmp_path, env={**os.environ, **TERMINAL, **env},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)

    return call


def tiny_tokenizer_of(family, printable=False):
    """A byte-level BPE tokenizer with the family's chat template, pad token and special tokens.

    With `printable` it has no bytes that are not letters of ASCII: what a model says is text, whatever it says. It then
    has a special token too that nothing uses.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    template, bos, eos, pad, further, _ = FAMILIES[family]
    further = (*further, SPARE) if printable else further
    special = [token for token in (bos, eos, pad, *further) if token]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=special,
        initial_alphabet=PRINTABLE if printable else pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        additional_special_tokens=list(further),
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = template
    return tokenizer


def tiny_config_of(family, vocab_size, tied, **overrides):
    """A configuration of two layers and width 32."""
    from transformers import (
        Gemma3TextConfig,
        GemmaConfig,
        LlamaConfig,
        MistralConfig,
        Phi3Config,
        Qwen2Config,
        Qwen3Config,
    )

    values = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 128,
        "tie_word_embeddings": tied,
        **overrides,
    }
    if family == "gemma3":
        values = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"], **values}
    classes = {
        "llama": LlamaConfig,
        "llama3": LlamaConfig,
        "qwen3": Qwen3Config,
        "gemma": GemmaConfig,
        "gemma3": Gemma3TextConfig,
        "mistral": MistralConfig,
        "phi3": Phi3Config,
        "qwen2": Qwen2Config,
    }
    return classes[family](**values)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A factory: the folder of a tiny random model of a family, tied or not, its vocabulary padded or not."""
    import torch
    from transformers import AutoModelForCausalLM

    folders = {}

    def make(family="llama", tied=False, padded=False, printable=False, **overrides):
        key = (family, tied, padded, printable, *sorted((name, str(value)) for name, value in overrides.items()))
        if key in folders:
            return folders[key]
        tokenizer = tiny_tokenizer_of(family, printable)
        rows = len(tokenizer) + (24 if padded else 0)
        special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            config = tiny_config_of(family, rows, tied, initializer_range=0.3, **special, **overrides)
            model = AutoModelForCausalLM.from_config(config).eval()
        model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(list(FAMILIES[family][5]))
        folder = tmp_path_factory.mktemp("-".join([family, "tied" if tied else "untied"]))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        folders[key] = str(folder)
        return folders[key]

    return make


@pytest.fixture
def copies(tmp_path):
    """A folder with small copies of benchmarks, made up, in the layouts that are about."""
    rows = {
        "mmlu/mmlu_test.jsonl": [
            {
                "subject": subject,
                "question": f"Which is {word}, of {subject}?",
                **{letter: COPIED[(number + place) % 8] for place, letter in enumerate("ABCD")},
                "answer": "ABCD"[number % 4],
            }
            for subject in ("anatomy", "marketing")
            for number, word in enumerate(COPIED)
        ],
        "sets/ARC-Easy.test.jsonl": [
            {
                "instruction": f"Please choose the correct answer to the question: Is it {word}?\n\n"
                f"Answer1: yes, {word} Answer2: no Answer3: Madrid\n\nAnswer format: answer1/answer2/answer3",
                "answer": f"answer{1 + number % 3}",
            }
            for number, word in enumerate(COPIED)
        ],
        "gsm8k.jsonl": [
            {"question": f"What is {a} and {a}?", "answer": f"It is {a} + {a}.\n#### {2 * a}"} for a in range(6)
        ],
        "bbh.jsonl": [{"task": "navigate", "input": f"Do {n} steps. Back?", "target": "Yes"} for n in range(6)],
    }
    for name, each in rows.items():
        path = tmp_path / "copies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in each))
    csv = "Question,Best Answer,Correct Answers,Incorrect Answers\n" + "".join(
        f"What is {word}?,A {word},A {word}; One {word},No {word}; Two {word}s.; Madrid\n" for word in COPIED
    )
    (tmp_path / "copies" / "TruthfulQA.csv").write_text(csv)
    return tmp_path / "copies"


@pytest.fixture
def few_tasks(monkeypatch):
    """Of the harness's 14,000 tasks only MMLU's: reading all takes eight seconds."""
    from leaven.harness import benchmark

    every = benchmark._manager
    monkeypatch.setattr(benchmark, "_manager", lambda folder: every(folder or "mmlu/default"))
