import gzip
import json
import random
import re

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from tests.shared import DATA, with_data

from leaven.errors import UserError
from leaven.lift import calibration, published_marks
from leaven.lift.calibration import calibrate, figure
from leaven.lift.published_marks import Published
from leaven.llm.engines.scripted import Scripted
from leaven.llm.protocol import Sampling
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair

HEAD = "###Task Description:\nMark it.\n\n###The instruction to evaluate:\n"


def marks(total):
    return json.dumps({"clarity": 0, "difficulty": 0, "explanation": total // 2, "accuracy": total - total // 2})


def worth(prompt):
    """What the answer that is to be judged says that it is worth."""
    response = prompt[0].content.rpartition("Response:\n")[2].partition("Note to whoever")[0]
    stated = re.search(r"worth (\d+)", response)
    return int(stated[1]) if stated else 0


JUDGE = Scripted(lambda prompt, draw: marks(10 * worth(prompt)))


@pytest.fixture
def folder(tmp_path):
    """Small copies in the published layouts; every answer says what it is worth, and the longer one is worth less."""
    rng = random.Random(0)

    def answer(points):
        return f"{'so ' * (9 - points)}worth {points}"

    absolute = [
        {"instruction": f"{HEAD}Question {i}?\n\n###Response to evaluate:\n{answer(1 + i % 5)}\n\n###Rubric: [x]\n\n"
                        "###Reference: y", "gpt4_score": [1 + i % 5] * 3}
        for i in range(20)
    ]  # fmt: skip
    pandalm, llmbar, alpaca, chosen = [], [], [], []
    for i in range(20):
        better = rng.choice((1, 2))
        first, second = (answer(5 if better == number else 2) for number in (1, 2))
        votes = dict.fromkeys(("annotator1", "annotator2", "annotator3"), better if i else 0)
        pandalm.append({"instruction": f"Do {i}.", "input": "it", "response1": first, "response2": second, **votes})
        llmbar.append({"input": f"Do {i}.", "output_1": first, "output_2": second, "label": better})
        alpaca.append({"instruction": f"Do {i}.", "input": "", "output": answer(1 + i % 5)})
        chosen += [alpaca[-1]] if i % 5 == 4 else []
    for name, value in {
        "prometheus_eval/vicuna_eval.json.gz": absolute,
        "pandalm/testset-v1.json": pandalm,
        "Dataset/LLMBar/Natural/dataset.json": llmbar,
        "llmbar/LLMBar_Adversarial_Manual.json": llmbar,
        "claude_t45.json": chosen,
        "alpaca_data.json": alpaca,
    }.items():
        path = tmp_path / "marks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(value).encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return tmp_path / "marks"


def test_a_judge_that_knows_agrees_with_every_set_and_beats_length(folder):
    sets = published_marks.read(folder, 0, 0)
    results, trust, _ = calibrate(sets, JUDGE, Sampling(0.0), 10, 20)
    found = {one.name: (one.measure, one.count, one.whole, round(one.judge.value, 3)) for one in results}
    assert found == {
        "prometheus": ("Spearman", 20, 20, 1.0),
        "pandalm": ("agreement", 19, 19, 1.0),  # without the tie
        "llmbar natural": ("agreement", 20, 20, 1.0),
        "llmbar adversarial": ("agreement", 20, 20, 1.0),
        "alpagasus": ("AUC", 8, 8, 1.0),
    }
    assert all(one.better for one in results)
    assert results[0].length.value == pytest.approx(-1)
    assert trust.planted["flattered"].mean == 0


def test_a_judge_that_goes_by_length_gains_nothing(folder):
    def length(prompt, draw):
        return marks(min(50, len(prompt[0].content.rpartition("Response:\n")[2].partition("\n\nReply")[0])))

    llm = Scripted(length)
    results, _, _ = calibrate(published_marks.read(folder, 8, 0), llm, Sampling(0.0), 0, 0)
    assert {one.whole for one in results} == {8}
    assert not any(one.better for one in results)


def test_rows_whose_marks_can_not_be_read_are_left_out_with_their_pair(folder):
    llm = Scripted(lambda prompt, draw: "so so" if "> Do 3." in prompt[0].content else marks(10 * worth(prompt)))
    results, _, _ = calibrate(published_marks.read(folder, 0, 0), llm, Sampling(0.0), 0, 0)
    assert {one.name: (one.count, one.whole) for one in results}["pandalm"] == (18, 19)
    with pytest.raises(UserError, match="no mark that can be read"):
        calibrate(published_marks.read(folder, 0, 0), Scripted(lambda prompt, draw: "?"), Sampling(0.0), 0, 0)


def test_figures_beside_other_libraries_and_by_hand():
    rng = np.random.default_rng(0)
    values, labels = rng.integers(0, 9, 60).astype(float), rng.integers(0, 2, 60).astype(float)
    assert figure("AUC", values, labels) == pytest.approx(roc_auc_score(labels, values))
    noisy = values + 3 * rng.random(60)
    assert figure("Spearman", values, noisy) == pytest.approx(spearmanr(values, noisy).statistic)
    # Right, wrong, a tie, right.
    assert figure("agreement", np.asarray([3.0, 3.0, 0.0, -1.0]), np.asarray([1.0, -1.0, 1.0, -1.0])) == 2.5 / 4
    assert np.isnan(figure("AUC", values, np.ones(60)))
    assert np.isnan(figure("Spearman", np.ones(9), np.arange(9.0)))


def test_the_interval_covers_what_is_true_as_often_as_it_says():
    """Pairs of which a judge gets seven in ten right."""
    rng, hits = np.random.default_rng(1), 0
    for _ in range(40):
        labels = rng.choice((-1.0, 1.0), 80)
        marks_ = labels * np.where(rng.random(80) < 0.7, 1.0, -1.0)
        judge, _, _ = calibration._intervals("agreement", marks_, np.ones(80), labels)
        hits += judge.low <= 0.7 <= judge.high
    assert hits >= 34


def test_a_folder_without_marks_and_files_that_are_not_as_published_are_named(tmp_path, folder):
    with pytest.raises(UserError, match="no published marks") as error:
        published_marks.read(tmp_path / "nothing", 10, 0)
    assert "testset-v1.json" in error.value.hint
    place = folder / "pandalm" / "testset-v1.json"
    place.write_text('[{"instruction": "x"}]')
    with pytest.raises(UserError, match=r"testset-v1\.json, entry 1 is not as published: KeyError"):
        published_marks.read(folder, 10, 0)
    whole = folder / "prometheus_eval" / "vicuna_eval.json.gz"
    published = whole.read_bytes()
    text = f"{HEAD}Q?\n\n###Response to evaluate:\nA."
    for broken in ({"instruction": "x", "gpt4_score": [1]}, {"instruction": text, "gpt4_score": []}):
        whole.write_bytes(gzip.compress(json.dumps([broken]).encode()))
        with pytest.raises(UserError, match=r"vicuna_eval\.json\.gz, entry 1 is not as published"):
            published_marks.read(whole.parent, 10, 0)
    whole.write_bytes(published)
    place.write_text("{")
    with pytest.raises(UserError, match="can't be read"):
        published_marks.read(folder, 10, 0)
    place.unlink()
    (folder / "alpaca_data.json").unlink()
    with pytest.raises(UserError, match="those are not in"):
        published_marks.read(folder, 10, 0)
    (folder / "claude_t45.json").unlink()
    assert published_marks.missing(folder) == ["pandalm", "alpagasus"]


def test_draws_are_repeatable_and_nested_in_nothing_but_their_seed(folder):
    def drawn(seed):
        return [row.id for one in published_marks.read(folder, 6, seed) for row in one.rows]

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


@with_data
def test_the_published_files_are_read():
    folders = (DATA / name for name in ("prometheus_eval", "pandalm", "llmbar"))
    found = {one.name: one for folder in folders for one in published_marks.read(folder, 0, 0)}
    sizes = {name: (len(one.labels), len(one.rows)) for name, one in found.items()}
    assert sizes == {
        "prometheus": (640, 640),
        "pandalm": (863, 1726),
        "llmbar natural": (100, 200),
        "llmbar adversarial": (319, 638),
    }
    assert set(found["prometheus"].labels) <= {(a + b + c) / 3 for a in range(1, 6) for b in range(1, 6)
                                               for c in range(1, 6)}  # fmt: skip


def test_a_set_stands_alone():
    rows = Dataset.of(pair(f"Q{i}?", f"worth {i}", Origin("x")) for i in range(5))
    (result,), _, _ = calibrate([Published("mine", "Spearman", rows, np.arange(5.0))], JUDGE, Sampling(0.0), 0, 0)
    assert result.judge.value == pytest.approx(1)
