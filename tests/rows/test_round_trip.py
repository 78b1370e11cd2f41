"""Conversations with tools go through select and export byte for byte, and trainers read what comes out."""

import io
import json
import random
import re

import polars as pl
import pytest
from tests.shared import DATA, with_data

from leaven.rows import export, files, llamafactory
from leaven.rows.example import Drop
from leaven.rows.outcomes import Outcome
from leaven.rows.turns import openai

STYLES = {
    "as Python writes it": {},
    "not escaped": {"ensure_ascii": False},
    "without blanks": {"separators": (",", ":")},
}
FORMS = ("messages", "sharegpt")
ROWS = 300
ARGUMENTS = {"weather": {"city": "Tórshavn"}, "sum": {"numbers": [1, 2.50, -3]}, "café": {"près de": 'rue "X"\nnº 5'}}
TOOLS = [
    {"name": name, "description": f"Looks up {name}.", "parameters": {"type": "object", "required": list(needed)}}
    for name, needed in ARGUMENTS.items()
]


def rows(form, count=ROWS):
    """Conversations of one to four questions; some have two calls at once, none at all, a system or developer turn."""
    rng = random.Random(0)
    return [{"messages": in_messages, "sharegpt": in_sharegpt}[form](turns(number, rng)) for number in range(count)]


def turns(number, rng):
    if number % 5 == 0:
        yield "developer" if number % 10 == 5 else "system", "Use the tools."
    for turn in range(rng.randint(1, 4)):
        yield "user", f"Question {turn} of row {number}? ☕"
        if (number + turn) % 3:
            names = rng.sample(sorted(ARGUMENTS), 2 if number % 7 == 0 else 1)
            yield "call", [{"name": name, "arguments": ARGUMENTS[name]} for name in names]
            yield "tool", [json.dumps({"result": name}) for name in names]
        yield "assistant", f"Answer {turn} of row {number}.\u2028It is so."


def in_messages(said):
    messages = []
    for role, what in said:
        if role == "call":
            calls = [{"id": f"c{len(messages)}{n}", "type": "function", "function": one} for n, one in enumerate(what)]
            messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        elif role == "tool":
            calls = messages[-1]["tool_calls"]
            messages += [
                {"role": "tool", "tool_call_id": call["id"], "content": one}
                for call, one in zip(calls, what, strict=True)
            ]
        else:
            messages.append({"role": role, "content": what})
    return {"messages": messages, "tools": [{"type": "function", "function": tool} for tool in TOOLS]}


def in_sharegpt(said):
    lines, speakers = [], {"user": "human", "assistant": "gpt", "system": "system", "developer": "system"}
    for role, what in said:
        if role == "call":
            lines.append({"from": "function_call", "value": json.dumps(what[0] if len(what) == 1 else what)})
        elif role == "tool":
            lines.append({"from": "observation", "value": "\n".join(what)})
        else:
            lines.append({"from": speakers[role], "value": what})
    return {"conversations": lines, "tools": json.dumps(TOOLS, indent=1)}


@pytest.mark.parametrize("form", FORMS)
def test_the_commands_keep_every_byte(tmp_path, leaven, form):
    (tmp_path / "tools.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(form)))
    for words in ("curate random tools.jsonl -o kept.jsonl --keep 1", "export kept.jsonl -o out"):
        done = leaven(*words.split())
        assert done.code == 0, done.err
    came = (tmp_path / "tools.jsonl").read_bytes()
    assert (tmp_path / "kept.jsonl").read_bytes() == came
    assert (tmp_path / "out" / {"messages": "train.jsonl", "sharegpt": "sharegpt.jsonl"}[form]).read_bytes() == came


@pytest.mark.parametrize("form", FORMS)
def test_a_lift_without_an_engine_exports_every_byte(tmp_path, form):
    from leaven.lift import run
    from leaven.lift.settings import Settings
    from leaven.runs.progress import Progress

    lines = "".join(json.dumps(row) + "\n" for row in rows(form))
    (tmp_path / "tools.jsonl").write_text(lines)
    settings = Settings(data=str(tmp_path / "tools.jsonl"), n=ROWS, keep_variety=1, quality="random", embedder="lsa:4")
    run.run(settings, tmp_path / "run", Progress(io.StringIO()), lambda spec, what: pytest.fail("asked"))
    own = {"messages": "train.jsonl", "sharegpt": "sharegpt.jsonl"}[form]
    kept = {
        line["leaven"]["row"]: line
        for line in map(json.loads, (tmp_path / "run" / "kept.jsonl").read_bytes().splitlines())
    }
    chosen = [line for number, line in enumerate(lines.split("\n")[:-1]) if number in kept]
    assert len(chosen) > ROWS * 2 / 3
    assert (tmp_path / "run" / "export" / own).read_text().split("\n")[:-1] == chosen
    read = files.read(tmp_path / "tools.jsonl").kept
    for number, line in kept.items():
        assert (line["messages"], line["tools"]) == ([openai(turn) for turn in read[number].messages],
                                                     read[number].meta["tools"])  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_however_a_file_is_written_its_rows_go_out_as_they_came(tmp_path, form, style):
    lines = "".join(json.dumps(row, **style) + "\n" for row in rows(form))
    (tmp_path / "tools.jsonl").write_text(lines)
    read = files.read(tmp_path / "tools.jsonl")
    assert (len(read.kept), read.dropped) == (ROWS, ())
    files.write(read.kept, tmp_path / "same.jsonl", "same")
    export.export(read.kept, tmp_path / "out", "tools")
    assert (tmp_path / "same.jsonl").read_text() == lines
    own = {"messages": "train.jsonl", "sharegpt": "sharegpt.jsonl"}[form]
    assert (tmp_path / "out" / own).read_text() == lines


def test_what_is_dropped_is_whole_in_the_rejects(tmp_path):
    read = files.read(rows("messages", 5))
    files.write_rejects(Outcome(read.kept, tuple(Drop(row, "short") for row in read.kept)), tmp_path / "gone.jsonl")
    gone = [json.loads(line)["row"] for line in (tmp_path / "gone.jsonl").read_text().split("\n")[:-1]]
    assert gone == rows("messages", 5)


def test_a_json_list_comes_out_as_it_was_written(tmp_path):
    (tmp_path / "tools.json").write_text(json.dumps(rows("sharegpt"), indent=2) + "\n")
    files.write(files.read(tmp_path / "tools.json").kept, tmp_path / "same.json", "same")
    assert (tmp_path / "same.json").read_bytes() == (tmp_path / "tools.json").read_bytes()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_every_kind_of_file_holds_them(tmp_path, form, kind):
    kept = files.read(rows(form)).kept
    for format in ("same", *FORMS):
        path = tmp_path / f"{format}.{kind}"
        files.write(kept, path, format)
        again = files.read(path).kept
        asked = [[turn.text for turn in row.messages] for row in kept]
        assert [[turn.text for turn in row.messages] for row in again] == asked
        assert {json.dumps(row.meta["tools"]) for row in again} <= {json.dumps(rows(form, 1)[0]["tools"])} | {
            json.dumps(json.dumps(rows(form, 1)[0]["tools"], ensure_ascii=False))
        }


def test_one_form_says_the_same_as_the_other(tmp_path):
    exported = {}
    for form in FORMS:
        export.export(files.read(rows(form)).kept, tmp_path / form, "tools")
        exported[form] = [
            json.loads(line) for line in (tmp_path / form / "sharegpt.jsonl").read_text().split("\n") if line
        ]
    for one, other in zip(exported["messages"], exported["sharegpt"], strict=True):
        told, shown = one["conversations"], other["conversations"]
        assert [turn["from"] for turn in told] == [turn["from"] for turn in shown]
        for left, right in zip(told, shown, strict=True):
            if left["from"] == "function_call":
                assert json.loads(left["value"]) == json.loads(right["value"])
            elif left["from"] != "observation":
                assert left == right


@pytest.mark.parametrize("form", FORMS)
def test_trl_reads_the_folder_with_every_call_and_tool(tmp_path, form):
    from datasets import load_dataset

    came = files.read(rows(form)).kept
    export.export(came, tmp_path / "out", "tools")
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == ["messages", "tools"]
    for row, example in zip(loaded, came, strict=True):
        assert len(row["messages"]) == len(example.messages)
        for turn, message in zip(row["messages"], example.messages, strict=True):
            assert (turn["role"], turn.get("content") or "") == message[:2]
            assert (turn.get("tool_calls") or []) == message.calls
        tools = json.loads(row["tools"]) if isinstance(row["tools"], str) else row["tools"]
        assert [tool.get("function", tool) for tool in tools] == TOOLS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.gradient_checkpointing:FutureWarning")  # trl's own default
def test_trl_trains_on_them(tmp_path, tiny_model):
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    export.export(files.read(rows("messages", 8)).kept, tmp_path / "out", "tools")
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    folder = tiny_model("qwen3")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{{ tools | tojson }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}"
        "{% for call in m.tool_calls or [] %}{{ call.function.arguments | tojson }}{% endfor %}<|im_end|>\n{% endfor %}"
    )
    config = SFTConfig(str(tmp_path / "run"), max_steps=1, report_to=[], use_cpu=True, bf16=False, max_length=None)
    trainer = SFTTrainer(model=folder, args=config, train_dataset=loaded, processing_class=tokenizer)
    said = tokenizer.decode(trainer.train_dataset[1]["input_ids"])
    assert "Looks up weather." in said and "Answer 0 of row 1." in said
    assert any(json.dumps(argument, ensure_ascii=False)[1:-1] in said for argument in ARGUMENTS.values())
    assert trainer.train().global_step == 1


def llama_factory(folder, name):
    """What LLaMA-Factory makes of a folder: its documented sharegpt format, with the defaults of its tags, obeyed."""
    info = json.loads((folder / "dataset_info.json").read_text())[name]
    assert info["formatting"] == "sharegpt" and "tags" not in info
    columns = info["columns"]
    for line in (folder / info["file_name"]).read_text().split("\n")[:-1]:
        row = json.loads(line)
        turns = row[columns["messages"]]
        system = row.get(columns.get("system", ""), "") or ""
        if turns[0]["from"] == "system":
            system, turns = turns[0]["value"], turns[1:]
        assert len(turns) % 2 == 0
        assert all(turn["from"] in ("human", "observation") for turn in turns[::2])
        assert all(turn["from"] in ("gpt", "function_call") for turn in turns[1::2])
        called = [
            json.loads(re.sub("^<think>.*</think>", "", t["value"])) for t in turns if t["from"] == "function_call"
        ]
        for calls in called:
            for call in calls if isinstance(calls, list) else [calls]:
                assert isinstance(call["name"], str) and isinstance(call["arguments"], dict)
        assert all(isinstance(turn["value"], str) for turn in turns)
        yield system, turns, json.loads(row[columns["tools"]] or "[]")


@pytest.mark.parametrize("form", FORMS)
def test_llama_factory_reads_every_row_of_the_folder(tmp_path, form):
    export.export(files.read(rows(form)).kept, tmp_path / "out", "tools")
    read = list(llama_factory(tmp_path / "out", "tools"))
    assert len(read) == ROWS
    assert sum(system == "Use the tools." for system, _, _ in read) == ROWS / 5
    assert all([tool.get("function", tool) for tool in tools] == TOOLS for _, _, tools in read)


def test_what_llama_factory_can_not_read_is_said(tmp_path):
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    picture = {"type": "image_url", "image_url": {"url": "x"}}
    ending = {"role": "assistant", "content": "Done."}
    said = [
        [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}, ending],
        [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, ending],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "Wait.", "tool_calls": [call]},
         {"role": "tool", "content": "1"}, ending],
    ]  # fmt: skip
    kept = files.read(said).kept
    export.export(kept, tmp_path / "out", "odd")
    (line,) = (tmp_path / "out" / llamafactory.FILE).read_text().splitlines()
    assert json.loads(line)["conversations"][1] == {
        "from": "function_call",
        "value": '{"name": "f", "arguments": {}}',
    }
    assert export.notes(kept) == [
        "1 rows are not in sharegpt.jsonl, since they hold what is no text",
        "1 rows are not in sharegpt.jsonl, since question and answer do not alternate",
        "1 rows have words beside a tool call, which sharegpt.jsonl leaves out",
    ]
    assert export.notes(kept)[0] in (tmp_path / "out" / "README.md").read_text()
    assert len((tmp_path / "out" / "train.jsonl").read_text().splitlines()) == 3


def test_custom_tools_are_kept_and_llama_factory_is_not_given_them(tmp_path, leaven):
    function, custom = rows("messages", 2)
    call = {"id": "c1", "type": "custom", "custom": {"name": "shell", "input": "cat *.txt | grep '\"'\n"}}
    called, result = {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "2"}
    custom["messages"][1:1] = [called, result, custom["messages"][0]]
    custom["tools"].append({"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}})
    came = "".join(json.dumps(row) + "\n" for row in (function, custom))
    (tmp_path / "tools.jsonl").write_text(came)
    for words in (
        "curate random tools.jsonl -o kept.jsonl --keep 1",
        "export kept.jsonl -o out",
        "convert kept.jsonl --to sharegpt -o sharegpt.json",
        "convert sharegpt.json --to messages -o again.parquet",
        "convert again.parquet --to messages -o again.jsonl",
    ):
        done = leaven(*words.split())
        assert done.code == 0, done.err
    assert (tmp_path / "kept.jsonl").read_text() == (tmp_path / "out" / "train.jsonl").read_text() == came
    again = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text().split("\n")[:-1]]
    assert again[1]["messages"][1:3] == [called, result] and again[1]["tools"] == custom["tools"]
    assert (tmp_path / "out" / llamafactory.FILE).read_text().count("\n") == 1
    assert "they have custom tools" in (tmp_path / "out" / "README.md").read_text()


def test_in_a_frame_each_call_has_a_null_for_what_the_other_kind_has():
    calls = [{"type": "function", "function": {"name": "f", "arguments": "{}"}, "custom": None},
             {"type": "custom", "function": None, "custom": {"name": "shell", "input": "ls"}}]  # fmt: skip
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": calls}]
    (row,) = files.read(pl.DataFrame([{"messages": said}])).kept
    assert list(map(json.loads, row.answer.splitlines())) == [calls[0]["function"], calls[1]["custom"]]


@with_data
def test_the_tool_set_of_llama_factory_loses_no_row(tmp_path):
    path = DATA / "llamafactory_demo" / "glaive_toolcall_en_demo.json"
    read = files.read(path)
    assert (len(read.kept), read.dropped) == (300, ())
    files.write(read.kept, tmp_path / "same.json", "same")
    assert (tmp_path / "same.json").read_bytes() == path.read_bytes()
    export.export(read.kept, tmp_path / "out", "glaive")
    assert len(list(llama_factory(tmp_path / "out", "glaive"))) == 300
    exported = (tmp_path / "out" / "sharegpt.jsonl").read_text().split("\n")[:-1]
    assert [json.loads(line) for line in exported] == json.loads(path.read_text())
    trained = [json.loads(line)["messages"] for line in (tmp_path / "out" / "train.jsonl").read_text().split("\n")[:-1]]
    assert sum("tool_calls" in turn for turns in trained for turn in turns) == 211
    assert sum(turn["role"] == "tool" for turns in trained for turn in turns) == 211
