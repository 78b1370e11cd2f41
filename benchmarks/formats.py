"""Any task: four formats that are no JSON objects, plain text, and a newcomer's own, of real rows, compared.

    python benchmarks/formats.py ../shared/data runs/formats --model FOLDER [--only list xml] [flags of leaven delia]

Rows: short questions of Alpaca with their short answers, wrapped in each format (none of the text is part of leaven);
`label` takes the multiple-choice questions of ARC-Easy. 100 rows train, the next 40 test, others are the pool. The
instructions say nothing of the format: leaven puts the token in. What is compared: the untouched model, common tuning,
the same schedule without a buffer, and DELIA; the report of each task is RUNS/NAME/report.html.
"""

import argparse
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

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


def bullets(question: str, answer: str) -> str:
    """Question and answer as two points."""
    return f"- question: {question.rstrip('?.')}\n- answer: {answer}"


WRAPPED: dict[str, Callable[[str, str], str]] = {
    "list": bullets,
    "xml": lambda question, answer: f"<answer>{answer.replace('<', '').replace('&', 'and')}</answer>",
    "yaml": lambda question, answer: f"answer: {json.dumps(answer)}\nwords: {len(answer.split())}",
    "text": lambda question, answer: answer,
    "shout": lambda question, answer: f"!{re_letters(answer)}!",
}


def re_letters(answer: str) -> str:
    """The answer in capitals, without exclamation marks."""
    return answer.upper().replace("!", "").replace("ß", "SS")


def short(data: Path) -> list[tuple[str, str]]:
    """Alpaca's questions of under 90 characters with answers of under 110, in a fixed random order."""
    with gzip.open(data / "alpaca_52k" / "alpaca_data.minus_holdout.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    pairs = [
        (row["instruction"], row["output"])
        for row in rows
        if not row["input"] and len(row["instruction"]) < 90 and 3 < len(row["output"]) < 110
        if "\n" not in row["output"] and '"' not in row["output"]
    ]
    random.Random(0).shuffle(pairs)
    return pairs


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


def make(data: Path, out: Path, name: str) -> list[str]:
    """Write the files of one task and return the flags that name them."""
    pairs = short(data)
    pool = pairs[TRAIN + TEST : TRAIN + TEST + POOL]
    rows = list(choices(data)) if name == "label" else [(q, WRAPPED[name](q, a)) for q, a in pairs]
    write(out / f"{name}.jsonl", rows[:TRAIN])
    write(out / f"{name}.test.jsonl", rows[TRAIN : TRAIN + TEST])
    write(out / "pool.jsonl", pool)
    flags = [
        str(out / f"{name}.jsonl"),
        "--test",
        str(out / f"{name}.test.jsonl"),
        "--queries",
        str(out / "pool.jsonl"),
    ]
    if name == "shout":
        (out / "shout.py").write_text(SHOUT, encoding="utf-8")
        flags += ["--answers", str(out / "shout.py")]
    return flags


def main() -> None:
    """Make the tasks and compare on each of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--only", nargs="*", default=[*WRAPPED, "label"])
    parser.add_argument("--make-only", action="store_true")
    given, further = parser.parse_known_args()
    for name in given.only:
        flags = make(given.data, given.out, name)
        command = [sys.executable, "-m", "leaven", "delia", *flags, "--model", given.model]
        command += ["--token", "<sep>", "--out", str(given.out / name), *further]
        print(" ".join(command), flush=True)
        if not given.make_only:
            subprocess.run(command, check=True)
            summary = json.loads((given.out / name / "summary.json").read_text(encoding="utf-8"))
            print(yaml.safe_dump({"task": name, "headline": summary["headline"]}, width=140), flush=True)


if __name__ == "__main__":
    main()
