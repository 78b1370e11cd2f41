"""The comparison of `make real` on DELIA's own 100 rows, from your copies of them (none of them ships).

    python benchmarks/delia_rows.py ../shared/data runs/delia-rows

DATA holds the folders delia_halu and tell_halu, as docs/real.md says. The model judges answers for hallucinations: it
is trained on DELIA's rows and tested on TELL's, which are asked in the same form; rows of TELL that repeat a question
of DELIA's are left out by the leak guard, which says how many. Two tests of five, 60 questions each: in phrasings that
no training uses, and plain ones. The report is RUNS/report.html; the same command goes on where it was stopped.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from leaven.rows import files
from leaven.runs.progress import stderr
from leaven.study import published
from leaven.study import recipe as recipes
from leaven.study.run import run
from leaven.study.sources import resolve
from leaven.view import page, tables

TESTS = ("unseen_phrasing", "general")
CHANGES = {
    "sizes": [0],
    "token": {"text": "<sep>", "means": "a JSON object with the keys thought and hallucination", "answers": "json"},
    "evaluate": {"max_new_tokens": 96, "limit_test": 60, "ceiling_questions": 8},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    rows = options.folder / "rows"
    train, test = published.hallucinations(options.data)
    files.write(train, rows / "task.jsonl")
    files.write(test, rows / "test.jsonl")
    changes = {**CHANGES, "task": str(rows / "task.jsonl"), "test": str(rows / "test.jsonl")}
    changes |= {"seeds": list(range(options.seeds)), "out": str(options.folder)}
    recipe = recipes.read(recipes.shipped("real"), changes)
    methods = tuple(method.model_copy(update={"tests": TESTS}) for method in recipe.methods)
    progress = stderr()
    recipe, task = resolve(recipe.model_copy(update={"methods": methods}), options.folder, progress)
    run(recipe, replace(task, tests=tuple(task.test(name) for name in TESTS)), options.folder, progress)
    print(tables.markdown(tables.read_summary(options.folder)))
    print(f"Report: {page.write(options.folder)}")


if __name__ == "__main__":
    main()
