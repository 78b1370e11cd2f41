"""Does leaven's judge agree with another one? Its marks for Prometheus' 640 answers beside GPT-4's (three runs each).

Spearman's correlation with 95 % bootstrap intervals over the answers, for the whole mark and for its two halves; and
the same for length alone, which every judge has to beat. Ready for a real judge:

    python benchmarks/judge.py FOLDER --llm openai:gpt-4o     (the folder of the public sets)
"""

import argparse
import gzip
import json
import re
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from leaven.cli import engine
from leaven.llm.judge import judged
from leaven.llm.protocol import Sampling
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair

DRAWS = 1000
PART = re.compile(r"###(The instruction to evaluate|Response to evaluate)\s*:\s*(.*?)(?=\n###|\Z)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--llm", required=True)
    parser.add_argument("--base-url")
    parser.add_argument("--rows", type=int, default=0)
    flags = parser.parse_args()
    print(f"| set | answers read | {' | '.join(SCORES)} |\n|---|--:|{'---|' * len(SCORES)}")
    for name in ("vicuna_eval", "mt_bench_eval"):
        rows, scores = answers(flags.folder / "prometheus_eval" / f"{name}.json.gz", flags.rows)
        with engine.opened(flags.llm, name, len(rows), base_url=flags.base_url) as llm:
            marks = [one.value for one in judged(rows, llm, Sampling(0.0, 1.0, 512))]
        read = [place for place, mark in enumerate(marks) if mark]
        found = {
            "whole mark": [marks[place].total for place in read],
            "response (explanation, accuracy)": [marks[place].explanation + marks[place].accuracy for place in read],
            "instruction (clarity, difficulty)": [marks[place].clarity + marks[place].difficulty for place in read],
            "length alone": [len(rows[place].answer) for place in read],
        }
        theirs = np.asarray([scores[place] for place in read])
        said = (interval(np.asarray(found[score], float), theirs) for score in SCORES)
        print(f"| {name} | {len(read):,} of {len(rows):,} | {' | '.join(said)} |")


SCORES = ("whole mark", "response (explanation, accuracy)", "instruction (clarity, difficulty)", "length alone")


def answers(path: Path, count: int) -> tuple[Dataset, list[float]]:
    """The judged answers, and the mean of GPT-4's scores."""
    lines = json.loads(gzip.decompress(path.read_bytes()))[: count or None]
    rows, scores = [], []
    for number, line in enumerate(lines, 1):
        parts = dict(PART.findall(line["instruction"]))
        question, answer = (parts[name].strip() for name in ("The instruction to evaluate", "Response to evaluate"))
        rows.append(pair(question, answer, Origin("read", f"{path.name}:{number}")))
        scores.append(float(np.mean([int(score) for score in re.findall(r"\d", str(line["gpt4_score"]))])))
    return Dataset.of(rows), scores


def interval(ours: np.ndarray, theirs: np.ndarray) -> str:
    if len(ours) < 3 or np.ptp(ours) == 0:
        return "no variation"
    rng, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(ours), len(ours))
        if np.ptp(ours[drawn]) and np.ptp(theirs[drawn]):
            found.append(spearmanr(ours[drawn], theirs[drawn]).statistic)
    low, high = np.quantile(found, (0.025, 0.975))
    return f"{spearmanr(ours, theirs).statistic:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
