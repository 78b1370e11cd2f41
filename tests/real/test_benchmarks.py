"""Public benchmarks of the real model, from copies where they are at hand: each item has the harness's own value."""

import pytest

pytest.importorskip("lm_eval")
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from tests.shared import DATA, with_data

from leaven.harness.benchmark import open_benchmark, quiet
from leaven.harness.measure import measure
from leaven.models import shelf
from leaven.models.load import load
from leaven.runs.progress import stderr

pytestmark = [pytest.mark.real, with_data]


@pytest.mark.parametrize(("name", "least"), [("mmlu", 0.0), ("arc_easy", 0.3)])
def test_eight_items_have_the_harnesss_values(name, least):
    loaded = load(shelf.path("smollm2"), dtype="float32")
    benchmark, again = (open_benchmark(name, str(DATA), 8) for _ in range(2))
    mine = measure(benchmark, loaded, 256, stderr(), "test")
    with quiet():
        theirs = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=1)
        tasks = {"tasks": dict(again.tasks), "groups": {}, "group_map": {}}
        found = evaluate(theirs, tasks, samples=dict(again.places), bootstrap_iters=0)
    their = {f"{task}/{one['doc_id']}": one["acc"] for task, samples in found["samples"].items() for one in samples}
    assert dict(mine.select("item", "value").iter_rows()) == their
    assert mine["value"].mean() >= least
