import json
import logging
import shutil

import pytest
import torch

from leaven.errors import UserError
from leaven.models import load as module
from leaven.models import precision
from leaven.models.load import dtype_name, load


@pytest.fixture
def speeds(monkeypatch, tmp_path):
    """What is measured, which may be changed; how often it was; and a cache of its own."""
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "device", lambda: torch.device("cpu"))
    told = {"float32": 80.0, "bfloat16": 300.0, "times": 0}

    def measure(width):
        told["times"] += 1
        return {name: told[name] for name in ("float32", "bfloat16")}

    monkeypatch.setattr(precision, "measure", measure)
    return told


def folder_of(tmp_path, dtype, width=512):
    (tmp_path / f"{dtype}-{width}").mkdir(exist_ok=True)
    config = {"model_type": "llama", "dtype": dtype, "hidden_size": width, "num_attention_heads": 4}
    (tmp_path / f"{dtype}-{width}" / "config.json").write_text(json.dumps(config))
    return str(tmp_path / f"{dtype}-{width}")


def test_on_a_cpu_half_stored_models_run_in_what_is_faster_and_the_others_in_float32(speeds, tmp_path):
    assert dtype_name(folder_of(tmp_path, "bfloat16"), "auto") == "bfloat16"
    assert dtype_name(folder_of(tmp_path, "float16"), "auto") == "bfloat16"
    assert dtype_name(folder_of(tmp_path, "float32"), "auto") == "float32"
    assert dtype_name(folder_of(tmp_path, "bfloat16", width=160), "auto") == "float32"
    assert dtype_name("lab", "auto") == "float32"
    assert dtype_name("nowhere", "float16") == "float16"
    speeds["bfloat16"] = 40.0
    assert dtype_name(folder_of(tmp_path, "bfloat16", width=1024), "auto") == "float32"


def test_what_was_measured_is_kept_so_that_a_run_goes_on_in_the_same_numbers(speeds, tmp_path):
    path = folder_of(tmp_path, "bfloat16")
    assert dtype_name(path, "auto") == "bfloat16"
    speeds["bfloat16"] = 1.0
    assert dtype_name(path, "auto") == "bfloat16"
    assert speeds["times"] == 1
    assert dtype_name(folder_of(tmp_path, "bfloat16", width=1024), "auto") == "float32"  # another width, another try
    (tmp_path / "cache" / "precision").rename(tmp_path / "lost")
    assert dtype_name(path, "auto") == "float32"


def test_a_cache_that_can_not_be_written_is_told_and_no_obstacle(speeds, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert dtype_name(folder_of(tmp_path, "bfloat16"), "auto") == "bfloat16"
    assert "can't be kept" in caplog.text


def test_the_measurement_is_of_both(monkeypatch):
    monkeypatch.setattr(precision, "SECONDS", 0.001)
    speeds = precision.measure(256)
    assert set(speeds) == {"float32", "bfloat16"} and min(speeds.values()) > 0


def test_a_model_is_loaded_in_the_dtype_that_is_named(speeds, tiny_model, monkeypatch):
    monkeypatch.setattr(module, "NARROW", 0)
    folder = tiny_model("qwen3")
    assert load(folder).model.dtype == torch.float32
    half = module.Path(folder).with_name("half")
    module.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(half)
    load(folder).tokenizer.save_pretrained(half)
    assert load(str(half)).model.dtype == torch.bfloat16
    assert load(str(half), dtype="float32").model.dtype == torch.float32


def test_a_model_that_is_none_is_a_user_error(speeds, tmp_path):
    with pytest.raises(UserError, match="neither a folder here nor reachable"):
        dtype_name("nobody/nothing", "auto")


def test_slow_first_products_do_not_decide_which_numbers_are_faster(monkeypatch):
    now, calls = [0.0], {torch.float32: [1.0, 0.002], torch.bfloat16: [2.0, 0.001]}  # the first waits for threads

    def linear(rows, weight):
        seconds = calls[rows.dtype]
        now[0] += seconds.pop(0) if len(seconds) > 1 else seconds[0]

    monkeypatch.setattr(precision.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    speeds = precision.measure(1024)
    assert speeds["bfloat16"] == pytest.approx(2 * speeds["float32"], rel=0.01)


def test_a_folder_without_a_tokenizer_is_told_what_it_lacks(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model("qwen3"), tmp_path / "bare", ignore=shutil.ignore_patterns("*token*"))
    with pytest.raises(UserError, match="holds no tokenizer that can be loaded") as error:
        load(str(folder))
    assert "tokenizer.json" in error.value.hint
