"""The exported folder, read by what trainers read it with."""

import json

import pytest
import yaml

from leaven.errors import UserError
from leaven.rows import export, files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair


def rows():
    one = pair("Why?", "Because {it} is “so”.", Origin("reanswer", model="m"), {"score": 3, "odd": ["x"]})
    turns = [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Bye"),
        ("assistant", "So long."),
    ]
    return Dataset.of([one, Example(tuple(Message(*turn) for turn in turns), Origin("read"), {"score": "high"})])


def test_datasets_and_so_trl_load_the_folder(tmp_path):
    from datasets import load_dataset

    export.export(rows(), tmp_path / "out", "small")
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == ["messages"]
    assert [[tuple(turn[key] for key in ("role", "content")) for turn in row["messages"]] for row in loaded] == [
        [message[:2] for message in row.messages] for row in rows()
    ]


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing:FutureWarning")  # trl's own default
def test_trl_trains_on_it(tmp_path, tiny_model):
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    export.export(rows().rows([0, 0]), tmp_path / "out", "small")
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    config = SFTConfig(
        output_dir=str(tmp_path / "run"),
        max_steps=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=2,
    )
    result = SFTTrainer(model=tiny_model("qwen3"), args=config, train_dataset=loaded).train()
    assert result.global_step == 1


def test_the_card_the_configurations_and_the_rows_agree(tmp_path):
    paths = export.export(rows(), tmp_path / "out", "small", about="From here.")
    assert [path.name for path in paths] == [
        "README.md", "axolotl.yaml", "dataset_info.json", "train.jsonl", "train.parquet",
    ]  # fmt: skip
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())["small"]
    lines = [json.loads(line) for line in (tmp_path / "out" / info["file_name"]).read_text().splitlines()]
    tags = info["tags"]
    for line in lines:
        for turn in line[info["columns"]["messages"]]:
            assert turn[tags["role_tag"]] in {tags["user_tag"], tags["assistant_tag"], tags["system_tag"]}
            assert turn[tags["content_tag"]]
    (part,) = yaml.safe_load((tmp_path / "out" / "axolotl.yaml").read_text())["datasets"]
    assert {part["field_messages"], *part["message_property_mappings"]} == {"messages", "role", "content"}
    assert part["path"] == str(tmp_path / "out" / "train.jsonl")
    card = (tmp_path / "out" / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["configs"][0]["data_files"][0]["path"] == "train.parquet"
    assert "From here." in card
    assert "| reanswer (m) | 1 |" in card


def test_the_card_says_what_made_rows_that_were_read_again_where_it_is_known():
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    evolved = {"leaven": {"made_by": "evolve", "model": "openai:m"}}
    again = {"leaven": {"made_by": "read", "model": None, "fields": evolved}}
    lines = [{"messages": turns, **about} for about in (evolved, again, {"leaven": {"made_by": "read"}}, {})]
    card = export.card(files.read(lines).kept, "small")
    assert "| evolve (openai:m) | 2 |\n| not known | 2 |" in card
    assert "made by" not in export.card(files.read(lines[2:]).kept, "small")


def test_rows_without_an_answer_are_refused(tmp_path):
    empty = Dataset.of([Example((Message("user", "Why?"), Message("assistant", "")), Origin("read"))])
    with pytest.raises(UserError, match="1 of 1 rows have no answer"):
        export.export(empty, tmp_path / "out", "x")
    bare = Dataset.of([Example((Message("user", "Why?"),), Origin("read"))])
    with pytest.raises(UserError, match="1 of 1 rows have no answer"):
        export.export(bare, tmp_path / "out", "x")
    with pytest.raises(UserError, match="no rows"):
        export.export(Dataset.of([]), tmp_path / "out", "x")


def test_a_hub_that_refuses_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    paths = export.export(rows(), tmp_path / "out", "small")
    with pytest.raises(UserError, match="the hub did not take me/small"):
        export.push(paths, "me/small")


def test_a_folder_that_holds_anything_else_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / ".env").write_text("KEY=secret")
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UserError, match=r"holds what export did not write: \.env"):
        export.export(rows(), tmp_path, "small")
    (tmp_path / ".env").unlink()
    with pytest.raises(UserError, match=r"holds another README\.md than these rows make"):
        export.export(rows(), tmp_path, "small")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"README.md": "mine"}


def test_the_same_rows_may_be_exported_to_their_folder_again(tmp_path):
    (tmp_path / "out").mkdir()
    first = export.export(rows(), tmp_path / "out", "small")
    assert export.export(rows(), tmp_path / "out", "small") == first
    with pytest.raises(UserError, match=r"holds another README\.md, "):
        export.export(rows().rows([0]), tmp_path / "out", "small")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
