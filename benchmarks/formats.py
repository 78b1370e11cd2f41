"""Any task: four formats that are no JSON objects, plain text, and a newcomer's own, of real rows, compared.

    python benchmarks/formats.py ../shared/data runs/formats --model smollm2 --only list xml yaml --seeds 5

Rows: short questions of Alpaca with their short answers, wrapped in each format (none of the text is part of leaven);
`label` takes the multiple-choice questions of ARC-Easy. 100 rows train, the next 40 test, others are the pool. The
instructions say nothing of the format: leaven puts the token in. What is compared, unless --methods says less: the
untouched model, common tuning, the same schedule without a buffer, and DELIA, as `leaven delia` does; the report of
each task is RUNS/NAME/report.html, its recipe RUNS/NAME.yaml. The tasks share their self-samples.

    python benchmarks/formats.py DATA runs/ratios --model smollm2 --only list xml yaml --ratios 0 .25 .5 1.25 2.5
    python benchmarks/ratio_law.py runs/ratios/list runs/ratios/xml runs/ratios/yaml

sets DELIA at several ratios beside each other instead, and asks what the law of some tasks says of the others.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from leaven.study import defaults, published

TRAIN, TEST, POOL = 100, 40, 400
SHOUT = '''"""The answer in capitals between two exclamation marks: a format of a newcomer's own."""

import re

from leaven.section import Section


class Config(Section):
    """Nothing to set."""


def detect(text: str, config: Config) -> bool:
    """Whether capitals stand between exclamation marks."""
    return re.search(r"![^a-z!]+!", text) is not None


def value(text: str, config: Config) -> str | None:
    """What is shouted."""
    match = re.search(r"!([^a-z!]+)!", text)
    return match[1].strip() if match else None
'''


WRAPPED: dict[str, Callable[[str, str], str]] = {
    "list": published.as_points,
    "xml": lambda question, answer: f"<answer>{answer.replace('<', '').replace('&', 'and')}</answer>",
    "yaml": lambda question, answer: f"answer: {json.dumps(answer)}\nwords: {len(answer.split())}",
    "text": lambda question, answer: answer,
    "shout": lambda question, answer: f"!{re_letters(answer)}!",
}


def re_letters(answer: str) -> str:
    """The answer in capitals, without exclamation marks."""
    return answer.upper().replace("!", "").replace("ß", "SS")


def choices(data: Path) -> Iterator[tuple[str, str]]:
    """ARC-Easy's questions with `label: NUMBER`."""
    with (data / "llm_adapters_eval" / "ARC-Easy.test_first300.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            asked = row["instruction"].removeprefix("Please choose the correct answer to the question: ")
            yield asked.split("\n\nAnswer format")[0], f"label: {row['answer'].removeprefix('answer')}"


def write(path: Path, rows: list[tuple[str, str]]) -> None:
    """Rows of question and answer as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps({"question": q, "answer": a}, ensure_ascii=False) + "\n" for q, a in rows)
    path.write_text(text, encoding="utf-8")


def make(data: Path, out: Path, name: str) -> dict[str, Any]:
    """Write the files of one task, and return the part of a recipe that names them."""
    pairs = [(question, answer) for _, question, answer in published.short(data)]
    rows = list(choices(data)) if name == "label" else [(q, WRAPPED[name](q, a)) for q, a in pairs]
    files = {"task": out / f"{name}.jsonl", "test": out / f"{name}.test.jsonl", "queries": out / "pool.jsonl"}
    write(files["task"], rows[:TRAIN])
    write(files["test"], rows[TRAIN : TRAIN + TEST])
    write(files["queries"], pairs[TRAIN + TEST : TRAIN + TEST + POOL])
    answers = "auto"
    if name == "shout":
        (out / "shout.py").write_text(SHOUT, encoding="utf-8")
        answers = str(out / "shout.py")
    return {**{key: str(path) for key, path in files.items()}, "token": {"answers": answers}}


def study(data: Path, out: Path, name: str, model: str, tokens: int) -> dict[str, Any]:
    """What the studies of a task have in common; answers and self-samples have at most so many tokens."""
    return {
        "model": model,
        **make(data, out, name),
        "sizes": [0],
        "sample": {"max_new_tokens": tokens},
        "evaluate": {"max_new_tokens": tokens},
        "out": str(out / name),
    }


def share_pool(out: Path, name: str) -> None:
    """Copy the self-samples of the other tasks: their queries are the same, and a chunk is named by its content."""
    for folder in out.glob("*/pool/seed-*"):
        if folder.parent.parent.name != name:
            shutil.copytree(folder, out / name / "pool" / folder.name, dirs_exist_ok=True)


def main() -> None:
    """Make the tasks and compare on each of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--only", nargs="*", default=[*WRAPPED, "label"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--methods", nargs="*", default=["original", "common", "no buffer", "delia"])
    parser.add_argument("--ratios", type=float, nargs="*", default=[], help="DELIA at these, and no other method")
    parser.add_argument("--preset", default="")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--tokens", type=int, default=48, help="of an answer, and of a self-sample")
    given = parser.parse_args()
    tune: dict[str, Any] = {"preset": given.preset or defaults.preset(given.model)}
    tune |= {} if given.trials is None else {"trials": given.trials}
    methods = defaults.methods(defaults.ratio(given.model), tune)
    for name in given.only:
        values = {
            **study(given.data, given.out, name, given.model, given.tokens),
            "methods": ladder(given.ratios) or [each for each in methods if label(each) in given.methods],
            "seeds": list(range(given.first_seed, given.first_seed + given.seeds)),
            "tune": tune,
            "probes": [],
        }
        path = given.out / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        share_pool(given.out, name)
        subprocess.run([sys.executable, "-m", "leaven", "study", str(path)], check=True)
        summary = json.loads((given.out / name / "summary.json").read_text(encoding="utf-8"))
        print(yaml.safe_dump({"task": name, "headline": summary["headline"]}, width=140), flush=True)


def ladder(ratios: list[float]) -> list[dict[str, Any]]:
    """DELIA at each ratio, asked what the ratio law is about."""
    tests = ["unseen_phrasing", "general"]
    return [{"name": "delia", "label": f"ratio {ratio:g}", "ratio": ratio, "tests": tests} for ratio in ratios]


def label(method: str | dict[str, Any]) -> str:
    """The label that a method has in tables."""
    return method if isinstance(method, str) else str(method.get("label", method["name"]))


if __name__ == "__main__":
    main()
