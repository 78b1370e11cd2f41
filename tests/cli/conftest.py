"""The files of a tiny task."""

import pytest

from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair


@pytest.fixture
def rows(tmp_path):
    """Files of a tiny task: task.jsonl, test.jsonl, pool.jsonl in the folder where the command runs."""

    def made(name, texts):
        data = Dataset.of(pair(question, answer, Origin("x")) for question, answer in texts)
        files.write(data, tmp_path / name)

    made("task.jsonl", [(f"Is fish number {i} red?\nUse the <sep> format.", '{"thought": "t", "hallucination": "no"}')
                        for i in range(12)])  # fmt: skip
    made("test.jsonl", [(f"Is the {i} boat green?\nUse the <sep> format.", '{"thought": "t", "hallucination": "yes"}')
                        for i in range(6)])  # fmt: skip
    made("pool.jsonl", [(f"What is {i} plus {j}?", f"{i} plus {j} is {i + j}.") for i in range(8) for j in range(8)])
    return tmp_path
