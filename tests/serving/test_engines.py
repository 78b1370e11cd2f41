import dataclasses
import importlib
import io
import json
import re
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from leaven import extras, plugs
from leaven.llm.open import open_llm
from leaven.rows.example import user
from leaven.serving import artefact, check, export, matrix, prompts, source
from leaven.serving.artefact import Reply
from leaven.serving.engines import _server

pytest.importorskip("gguf")
FAMILIES = ("llama", "llama3", "qwen2", "qwen3", "gemma", "gemma3", "mistral", "phi3")
QUESTIONS = ("Name a river in {} format", "answer the claim\n{}", "the capital of Spain", "yes, or no?")


@pytest.fixture
def exported(tuned, tmp_path):
    """A factory: an export of a tiny model, with few prompts."""

    def make(*kinds, reused=False, **of):
        where = source.find(tuned(reused=reused, **of))
        export.write(where, tmp_path / "out", kinds=kinds)
        asked = [user(question.format("<|spare|>" if reused else "<sep>")) for question in QUESTIONS]
        prompts.write(asked, tmp_path / "out" / export.PROMPTS)
        return tmp_path / "out"

    return make


def gap(cell):
    """How far the logits are apart, as it is told."""
    return float(re.search(r"logits within ([\d.e-]+)", cell.detail)[1])


def test_peft_and_transformers_answer_as_the_tuned_model_and_rows_that_are_lost_are_refused(exported, leaven):
    out = exported(family="qwen3", tied=True)
    done = leaven("check-serving", out, "--engine", "peft", "--engine", "transformers")
    assert done.code == 0 and done.out.count("same") >= 2 and "differs" not in done.out
    assert (
        "| merged | same | 2 of 2 texts with <sep>; 2 of 2 texts without; first token"
        in (out / "serving.md").read_text()
    )
    leaven("check-serving", out, "--engine", "peft", "--limit", 1)
    page = (out / "serving.md").read_text()
    assert "1 of 1 texts with" in page and page.count("2 of 2 texts with <sep>") == 1  # transformers keeps its line
    weights = out / "adapter" / "adapter_model.safetensors"
    whole = load_file(weights)
    table = "base_model.model.model.embed_tokens"
    lost = {name: weight for name, weight in whole.items() if "embedding" not in name}
    for rows, why in (
        ({f"{table}.base_layer.weight": whole[f"{table}.lora_embedding_A"]}, "vLLM and llama.cpp leave out"),
        ({f"{table}.token_adapter.trainable_tokens_delta": whole[f"{table}.lora_embedding_B"].T.contiguous()}, "vLLM"),
        ({}, "holds no row of <sep>"),
    ):
        save_file({**lost, **rows}, weights)
        (cell,) = check.check(out, ["peft"])
        assert cell.verdict == check.REFUSED and why in cell.detail


def test_a_row_alone_is_merged_exported_and_served_by_the_same_commands(tuned, tmp_path, leaven):
    adapter = tuned("llama", tied=True, targets=())
    merging = leaven("merge", adapter, tmp_path / "merged")
    assert merging.code == 0 and merging.err == ""  # and no progress bar of the writing
    taken = leaven("merge", adapter, tmp_path / "merged")
    assert taken.code == 2 and "is there already" in taken.err
    assert leaven("export-adapter", adapter, "-o", tmp_path / "out").code == 0
    done = leaven("check-serving", tmp_path / "out", "--engine", "peft", "--engine", "transformers", "--limit", 2)
    assert done.code == 0 and done.out.count("same") >= 2 and "differs" not in done.out, done.out + done.err
    ours, theirs = (load_file(tmp_path / folder / "model.safetensors") for folder in ("merged", "out/merged"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_base_without_the_row_is_refused(exported):
    out = exported(family="llama")
    shutil.rmtree(out / "base-with-token")
    adapter, merged = artefact.in_folder(out, source.about(out)["base"], "<sep>")
    assert "columns, and" in artefact.lost_rows(adapter) and not artefact.lost_rows(merged)


def test_how_replies_differ_is_told():
    asked = (user("in <sep>"), user("plain"))
    own = (Reply("yes <sep>", "yes ", {1: -0.1, 2: -2.0, 9: -3.0}), Reply("no", "no", {1: -0.5, 2: -1.0, 9: -1.5}))
    tuned = check.Tuned(asked, own, "<sep>", 9, silent=False)
    assert check.compare(tuned, own)[0] == check.SAME
    hidden = (dataclasses.replace(own[0], text="yes "), own[1])
    verdict, detail = check.compare(tuned, hidden)
    assert verdict == check.SAME and "skip_special_tokens hides <sep> in 1 answers" in detail
    other = (own[0], Reply("nay", first={2: -0.5, 1: -0.7, 9: -1.5}))
    verdict, detail = check.compare(tuned, other)
    assert verdict == check.DIFFERS and "1 of 1 texts with <sep>; 0 of 1 texts without" in detail
    assert "first token the same in 1 of 2, logits within 0.7" in detail  # 2 was 0.5 below 1, and is 0.2 above
    silent = dataclasses.replace(tuned, silent=True, replies=(Reply("yes", "yes", own[0].first), own[1]))
    assert "<sep> is said in 1 answers" in check.compare(silent, own)[1]
    unseen = (Reply("yes", ids=frozenset({3, 9})), own[1])  # llama.cpp hides what it says of special tokens
    assert "<sep> is said in 1 answers" in check.compare(silent, unseen)[1]


def test_an_engine_that_is_not_installed_is_said_to_be_absent(monkeypatch):
    for name in plugs.names("engines"):
        engine = plugs.load("engines", name)
        for package in {*engine.PACKAGES} - {*extras.STUDY}:
            monkeypatch.setitem(sys.modules, package, None)
        importlib.reload(engine)  # it says what it needs without it


class Server(BaseHTTPRequestHandler):
    """Chat Completions out of a table: the model "tuned" is there, and no other."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        missing = body["model"] != "tuned"
        choice = {"message": {"content": self.server.texts.get(body["messages"][-1]["content"])}}
        answer = {"error": {"message": "no such model"}} if missing else {"choices": [choice]}
        self.send_response(404 if missing else 200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        """Say nothing."""


def test_a_bar_in_a_cell_of_the_matrix_begins_no_other(tmp_path):
    matrix.write([check.Cell("peft", "adapter", "same", "2 of 2 texts with <|sep|>")], tmp_path, "Of a model")
    line = (tmp_path / "serving.md").read_text().splitlines()[-1]
    assert r"2 of 2 texts with <\|sep\|> |" in line and len(re.split(r"(?<!\\)\|", line)) == 5 + 2


def test_an_engines_own_words_are_no_markup():
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(matrix.table([check.Cell("peft", "adapter", "refused", "by peft: no [/INST] in [red]")]))
    assert "by peft: no [/INST] in [red]" in console.export_text()


def test_prompts_come_back_as_they_were_written(tmp_path):
    written = [user("one\u2028two\x85three\r\nfour"), user("plain")]
    prompts.write(written, tmp_path / "prompts.jsonl")
    assert prompts.read(tmp_path / "prompts.jsonl") == written


def test_a_server_that_runs_already_is_compared_by_its_texts(exported, leaven):
    out = exported(family="llama")
    asked = prompts.read(out / export.PROMPTS)
    own = check.in_memory(source.about(out), asked)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.texts = {prompt[-1].content: reply.text for prompt, reply in zip(asked, own.replies, strict=True)}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    with server:
        done = leaven("check-serving", out, "--llm", "openai:tuned", "--base-url", url)
        assert done.code == 0, done.err
        assert f"| openai:tuned | {url} | same | 2 of 2 texts with <sep>" in (out / "serving.md").read_text()
        server.texts[asked[0][-1].content] += " more"
        done = leaven("check-serving", out, "--llm", "openai:tuned", "--base-url", url)
        assert done.code == 1 and "1 of 2 texts with <sep>" in done.out
        done = leaven("check-serving", out, "--llm", "openai:other", "--base-url", url)
        assert done.code == 1 and "no such model" in " ".join(done.out.split()) and "in memory" not in done.err
        server.shutdown()
    for engines in ((), ("--engine", "peft")):
        done = leaven("check-serving", out, "--llm", "openai:tuned", *engines)
        assert done.code == 2 and "--base-url http://localhost:8000/v1" in done.err and "asking" not in done.err


@pytest.mark.slow
def test_a_real_server_is_compared_by_its_texts(exported):
    pytest.importorskip("openai")
    merged = exported(family="llama", tied=True) / "merged"
    port = _server.free_port()
    program = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", program, "serve", str(merged), "--port", str(port), "--dtype", "float32"]
    with _server.running(command, f"http://localhost:{port}") as address:
        server = open_llm(f"openai:{merged}", base_url=f"{address}/v1")
        cell = check.check_server(merged.parent, server, address)
    assert cell.verdict == check.SAME, cell.detail


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", [family for family in FAMILIES if not family.startswith("gemma")])
def test_mlx_gives_the_same_answers(exported, family, tied):
    pytest.importorskip("mlx_lm")
    (cell,) = check.check(exported(family=family, tied=tied), ["mlx"])
    assert "first token the same in 4 of 4" in cell.detail and gap(cell) < 1e-4, cell.detail
    assert cell.verdict == check.SAME, cell.detail


@pytest.mark.slow
def test_mlx_computes_gemma_by_another_gelu_and_refuses_what_real_gemmas_are_not(exported, tmp_path):
    pytest.importorskip("mlx_lm")
    (cell,) = check.check(exported(family="gemma", tied=True), ["mlx"])
    assert "first token the same in 4 of 4" in cell.detail and gap(cell) < 5e-3, cell.detail
    for family, tied, reason in (("gemma", False, "not in model: lm_head.weight"), ("gemma3", True, "list index")):
        shutil.rmtree(tmp_path / "out")  # its Gemma 3 has six layers at least
        (cell,) = check.check(exported(family=family, tied=tied), ["mlx"])
        assert cell.verdict == check.REFUSED and reason in cell.detail, cell.detail


@pytest.mark.slow
def test_lm_eval_takes_the_merged_model_and_would_cut_a_padded_base(exported):
    out = exported(family="llama", padded=True)
    merged, adapter = sorted(check.check(out, ["lm_eval"]), key=lambda cell: cell.artefact != "merged")
    assert merged.verdict == check.SAME, merged.detail
    assert adapter.verdict == check.REFUSED and "cuts the base" in adapter.detail


@pytest.mark.slow
def test_transformers_serve_answers_over_http(exported):
    (cell,) = check.check(exported(family="llama"), ["transformers_serve"])
    assert cell.verdict == check.SAME, cell.detail


@pytest.mark.slow
@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_llama_cpp_gives_the_same_answers(exported, family, tied, padded, reused):
    pytest.importorskip("xllamacpp")
    tied = tied or family.startswith("gemma")
    (cell,) = check.check(exported("F32", family=family, tied=tied, padded=padded, reused=reused), ["llama_cpp"])
    # llama.cpp looks Gemma's GELU up in a table of half precision.
    most = 5e-3 if family.startswith("gemma") else 1e-4
    assert "first token the same in 4 of 4" in cell.detail and gap(cell) < most, cell.detail
    assert cell.verdict == check.SAME or family.startswith("gemma"), cell.detail
