"""SmolLM2 tuned by DELIA, in every engine: as many answers in the format, to 60 phrasings that no training used."""

import os
from pathlib import Path

import pytest

from leaven.rows.dataset import Dataset
from leaven.serving import artefact, check, export, source
from leaven.serving.engines import llama_cpp, peft, transformers, transformers_serve
from leaven.study import recipe as recipes
from leaven.task.format import open_format

pytestmark = [pytest.mark.real, pytest.mark.slow]
RUN = os.environ.get("LEAVEN_REAL_RUN", "runs/real")


@pytest.mark.skipif(not (Path(RUN) / "summary.json").is_file(), reason="make real, or LEAVEN_REAL_RUN=FOLDER")
def test_the_format_is_as_frequent_in_every_engine(tmp_path):
    pytest.importorskip("xllamacpp")
    out = tmp_path / "out"
    export.write(source.find(Path(RUN)), out)
    token = recipes.read(Path(RUN) / "recipe.yaml").token
    form = open_format(token.answers, token.answer_settings)
    asked = [row.prompt for row in Dataset.load(Path(RUN) / "data" / "tests" / "unseen_phrasing.parquet")][:60]
    about = source.about(out)
    counts = {"memory": sum(form.detect(reply.text) for reply in check.in_memory(about, asked).replies)}
    there = artefact.in_folder(out, about["base"], about["token"])
    for engine in (peft, transformers, transformers_serve, llama_cpp):
        for each in (each for each in there if each.kind in engine.KINDS):
            with engine.serve(each) as ask:
                texts = [reply.text for reply in ask(asked, check.MAX_NEW_TOKENS)]
            counts[f"{engine.__name__.rpartition('.')[2]} {each.name}"] = sum(map(form.detect, texts))
    own = counts.pop("memory")
    apart = {name: abs(count - own) for name, count in counts.items()}
    assert max(rows for name, rows in apart.items() if "Q8_0" not in name) <= 1, counts
    assert apart["llama_cpp merged-Q8_0.gguf"] <= 3, counts
