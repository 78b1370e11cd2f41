"""Whatever is wrong: exit 2, a sentence that names the place and the remedy, no traceback."""

import contextlib
import gzip
import json
import sqlite3
import subprocess
import sys

import pytest

ROW = {"messages": [{"role": "user", "content": "Use <sep>."}, {"role": "assistant", "content": "x"}]}
DELIA = ("delia", "task.jsonl", "--test", "test.jsonl", "--queries", "pool.jsonl", "--model", "lab")


def line(**changes):
    return json.dumps({**ROW, **changes}) + "\n"


# name → (file, its content, the command, what must be said)
FILES = {
    "broken JSON": ("task.jsonl", '{"messages": [\n', DELIA, ("task.jsonl:1", "broken JSON")),
    "wrong encoding": ("task.jsonl", b'{"a": "\xe9"}\n', DELIA, ("task.jsonl", "UTF-8", "line 1", "iconv")),
    "empty": ("task.jsonl", "", DELIA, ("task.jsonl", "empty")),
    "not objects": ("task.jsonl", "1\n2\n", DELIA, ("task.jsonl:1", "not an object")),
    "unknown fields": ("task.jsonl", '{"a": 1, "b": 2}\n', DELIA, ("a, b", "messages, alpaca", "--format")),
    "no content": ("task.jsonl", line(messages=[{"role": "user"}]), DELIA, ("task.jsonl:1", "user turn is NoneType")),
    "unknown role": ("task.jsonl", line(messages=[{"role": "bot", "content": "x"}]), DELIA, ("'bot'", "user")),
    "empty messages": ("task.jsonl", line(messages=[]), DELIA, ("task.jsonl:1", "'messages' is empty")),
    "turns that are text": ("task.jsonl", line(messages="hello"), DELIA, ("no turns", "'messages' is a text")),
    "no gzip": ("a.jsonl.gz", "plain", ("check", "a.jsonl.gz", "--test", "test.jsonl"), ("gzip", "a.jsonl.gz")),
    "half a gzip": ("half.jsonl.gz", gzip.compress(b"x" * 999)[:20], ("check", "half.jsonl.gz", "--test", "test.jsonl"),
                    ("gzip",)),
    "no Parquet": ("a.parquet", "plain", ("convert", "a.parquet"), ("a.parquet", "Parquet")),
    "a workbook": ("a.xlsx", b"PK\x03\x04\x14", ("convert", "a.xlsx"), ("a.xlsx is a workbook", "CSV")),
    "a workbook by another name": ("a.csv", b"PK\x03\x04\x14\x00\xd0", ("convert", "a.csv"), ("a.csv is a zip", "CSV")),
    "unknown kind": ("a.docx", "x", ("convert", "a.docx"), ("a.docx", "jsonl")),
    "no answers": ("task.jsonl", line(messages=ROW["messages"][:1]), DELIA, ("no row", "answer")),
    "too few rows for a test": ("task.jsonl", line(messages=ROW["messages"]),
                                ("delia", "task.jsonl", "--model", "lab"), ("1 row:", "too few", "--test")),
    "recipe that is a list": ("r.yaml", "- 1\n", ("study", "r.yaml"), ("r.yaml", "mapping")),
    "recipe that is no YAML": ("r.yaml", "a: [\n", ("study", "r.yaml"), ("r.yaml", "YAML")),
    "recipe with five faults": ("r.yaml", "methods: [delai]\nsise: 3\nseeds: [x]\ntune: {lora_r: 0}\nprobe: [a]\n",
                                ("study", "r.yaml"), ("5 faults", "'delia'", "sise", "seeds.0", "lora_r", "'probes'")),
    "recipe without methods": ("r.yaml", "sizes: [3]\n", ("study", "r.yaml"), ("methods", "at least one")),
    "recipe with one label twice": ("r.yaml", "methods: [delia, delia]\n", ("study", "r.yaml"), ("twice", "label")),
    "sizes larger than the task": ("r.yaml", "methods: [original]\nsizes: [5000]\n", ("study", "r.yaml"),
                                   ("5,000", "1,000")),
    "a method's unknown setting": ("r.yaml", "methods: [{name: delia, rato: 1}]\n", ("study", "r.yaml"), ("rato",)),
    "an object as an answer": ("task.jsonl", '{"question": "a", "answer": {"b": 1}}\n', DELIA,
                               ("'answer' is dict", "json.dumps")),
    "a format of one's own that fails": ("mine.py", "def detect(text, config):\n    return text.strp()\n",
                                         (*DELIA, "--answers", "./mine.py"),
                                         ("mine.py, line 2", "no attribute 'strp'", "return text.strp()")),
    "a pickled model": ("m/config.json", '{"model_type": "llama"}', (*DELIA[:-1], "m"), ("m",)),
}  # fmt: skip

WORDS = {
    "missing file": (("delia", "no.jsonl", *DELIA[2:]), ("no.jsonl", "does not exist")),
    "a folder": (("delia", ".", *DELIA[2:]), (".", "folder")),
    "missing test": (("delia", "task.jsonl", "--test", "no.jsonl", *DELIA[4:]), ("no.jsonl", "does not exist")),
    "missing model": ((*DELIA[:-1], "./nowhere"), ("./nowhere", "does not exist")),
    "a misspelt model": ((*DELIA[:-1], "smollm"), ("neither a folder here", "'smollm2'")),
    "model that is no model": ((*DELIA[:-1], "."), (".", "config.json")),
    "token in the vocabulary": ((*DELIA, "--token", "</s>"), ("</s>",)),
    "unknown init": ((*DELIA, "--init", "zeros"), ("zeros", "random")),
    "mean without a meaning": ((*DELIA, "--init", "mean"), ("means",)),
    "unknown preset": ((*DELIA, "--preset", "best"), ("best", "paper")),
    "unknown format": ((*DELIA, "--format", "massages"), ("massages", "messages")),
    "size larger than the data": ((*DELIA, "--size", "500"), ("500", "12")),
    "negative ratio": ((*DELIA, "--ratio", "-1"), ("ratio",)),
    "unknown flag": ((*DELIA, "--rato", "1"), ("--rato",)),
    "unknown command": (("dleia",), ("dleia", "Did you mean 'delia'")),
    "answers in no such format": (
        (*DELIA, "--answers", "list"),
        ("none of the 12 answers are bullet lists", "JSON objects"),
    ),
    "a label with nothing in it": ((*DELIA, "--answers", "label:^.*$"), ("none of the 12", "(?P<value>…)")),
    "missing argument": (("delia",), ("task",)),
    "unknown recipe": (("study", "quikstart"), ("quikstart", "'quickstart'")),
    "unknown list": (("ls", "method"), ("'methods'",)),
    "a store that is not there": (("store", "stats", "--store", "no.db"), ("no.db does not exist",)),
    "an unknown command of a command": (("store", "no.db"), ("No such command 'no.db'", "Known: stats, prune, export")),
    "a place that may not be written": (
        ("export", "task.jsonl", "-o", "pool.jsonl/x"),
        ("pool.jsonl: File exists", "may write"),
    ),
    "report of nothing": (("report", "."), (".", "no finished study")),
    "report of nowhere": (("report", "no"), ("no does not exist",)),
    "view of nowhere": (("view", "no"), ("no does not exist",)),
    "story of nowhere": (("why", "no", "1"), ("no does not exist",)),
    "mix of nothing": (("show", "mix", "."), (".", "no mixture")),
    "merge of nothing": (("merge", ".", "out"), (".", "adapter_config.json")),
    "a lift's --out is -o too": (("lift", "no.jsonl", "-o", "runs/a b"), ("needs a judge",)),
    "unknown prompt": (("show", "prompt", "diversfy"), ("diversfy", "'diversify'")),
    "unknown engine": (("sample", "pool.jsonl", "--llm", "hff:x", "-o", "o.jsonl"), ("hff", "hf")),
    "unknown form": (("sample", "pool.jsonl", "--llm", "hf:lab", "-o", "o.jsonl", "--form", "mapgie"), ("'magpie'",)),
    "magpie with queries": (
        ("sample", "pool.jsonl", "--llm", "hf:lab", "-o", "o.jsonl", "--form", "magpie"),
        ("from nothing", "-n"),
    ),
    "magpie without a count": (("sample", "--llm", "hf:lab", "-o", "o.jsonl", "--form", "magpie"), ("-n 1000",)),
    "magpie of a script": (
        ("sample", "--llm", "scripted:pool.jsonl", "-o", "o.jsonl", "--form", "magpie", "-n", "1"),
        ("pool.jsonl",),
    ),
    "sample of nothing": (("sample", "--llm", "hf:lab", "-o", "o.jsonl"), ("no queries", "magpie")),
    "unknown mode": (("diversify", "task.jsonl", "-o", "o.jsonl", "--mode", "row"), ("--mode", "per_row")),
    "phrasebook without a token": (
        ("diversify", "task.jsonl", "-o", "o.jsonl", "--token", "", "--mode", "per_row"),
        ("--token", "--llm"),
    ),
    "diversify without the token": (("diversify", "pool.jsonl", "-o", "o.jsonl"), ("<sep>",)),
}


def must_say(done, words):
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    assert not [word for word in words if word not in done.err], done.err


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_wrong(leaven, rows, name):
    file, content, command, words = FILES[name]
    (rows / file).parent.mkdir(exist_ok=True)
    (rows / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    must_say(leaven(*command), words)


@pytest.mark.parametrize("name", WORDS)
def test_a_word_that_is_wrong(leaven, rows, name):
    command, words = WORDS[name]
    must_say(leaven(*command), words)


def test_a_store_that_can_not_be_read_is_a_sentence(leaven, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("CREATE TABLE replies (what TEXT)")
    for words in (("stats",), ("prune", "--engine", "x"), ("export",)):
        must_say(leaven("store", *words, "--store", tmp_path / "other.db"), ("other.db can't be used: no such column",))


def test_a_whole_process_says_it_too_and_its_exit_code_is_2(process, rows):
    file, content, command, words = FILES["half a gzip"]
    (rows / file).write_bytes(content)
    must_say(process(*command), words)


def test_a_model_without_a_chat_template(leaven, rows, tiny_model, tmp_path):
    import shutil

    model = shutil.copytree(tiny_model("qwen3"), tmp_path / "model")
    (model / "chat_template.jinja").unlink(missing_ok=True)
    config = model / "tokenizer_config.json"
    values = json.loads(config.read_text())
    values.pop("chat_template", None)
    config.write_text(json.dumps(values))
    must_say(leaven(*DELIA[:-1], "model"), ("chat template", "Instruct"))


def test_at_least_thirty_kinds():
    assert len(FILES) + len(WORDS) + 1 >= 30


@pytest.mark.parametrize(
    "words",
    [
        ["export-adapter", "empty", "-o", "out"],
        ["merge", "empty", "out"],
        ["evaluate", "lab", "--benchmarks", "mmllu", "--adapter", "empty"],
        ["check-serving", "empty"],
    ],
    ids=" ".join,
)
def test_a_folder_without_an_adapter_is_refused_before_anything_heavy_is_imported(tmp_path, words):
    (tmp_path / "empty").mkdir()
    code = (
        f"import sys; sys.argv = ['leaven', *{words!r}]\n"
        "from leaven.cli.main import run\n"
        "try: run()\n"
        "finally: print([name for name in ('torch', 'transformers', 'peft') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2 and "adapter" in done.stderr and "Traceback" not in done.stderr
    assert "empty" in done.stderr.splitlines()[0] and "mmllu" not in done.stderr
    assert done.stdout.strip() == "[]"
