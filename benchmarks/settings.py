"""The dev protocol of the presets `small` and `auto`: settings side by side on the tasks of formats.py.

    python benchmarks/settings.py ../shared/data runs/settings --model smollm2 --only list xml yaml \
        --try 1e-3,2e-2,1 2e-3,2e-2,2 3e-3,5e-3,1 --methods delia

Each is a trial as `preset: auto` makes it: four fifths of the task rows, the others asked in phrasings that no training
and no test uses, and plain questions; with a seed that no table uses. Columns: rate, token rate, epochs; the
held-out rows in the format, plain questions in the format, own answers kept, seconds.
"""

import argparse
from pathlib import Path

from formats import share_pool, study

from leaven.runs.progress import stderr
from leaven.study import defaults
from leaven.study import recipe as recipes
from leaven.study.parts import Parts
from leaven.study.search import SEARCHED, Search, sentence
from leaven.study.sources import resolve

SEED = 1000


def main() -> None:
    """Try every setting with every method on every task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--only", nargs="*", default=["list", "xml", "yaml"])
    parser.add_argument("--try", nargs="*", dest="tried", default=["1e-3,2e-2,1", "2e-3,2e-2,2", "3e-3,5e-3,1"])
    parser.add_argument("--methods", nargs="*", default=["no buffer", "delia"])
    parser.add_argument("--tokens", type=int, default=48)
    given = parser.parse_args()
    for name in given.only:
        share_pool(given.out, name)
        values = {
            **study(given.data, given.out, name, given.model, given.tokens),
            "methods": defaults.methods(defaults.ratio(given.model), {"preset": "auto"}),
            "seeds": [SEED],
            "tune": {"preset": "auto"},
        }
        folder = given.out / name
        recipe, task = resolve(recipes.parse(values, "settings"), folder, stderr())
        search = Search.of(Parts.of(recipe, task, folder, stderr()), task, folder / "search")
        for method in recipe.methods:
            for tried in given.tried if method.label in given.methods else ():
                settings = dict(zip(sorted(SEARCHED), _numbers(tried), strict=True))
                print(name, method.label, sentence(search.trial(method, tried, settings)), flush=True)


def _numbers(text: str) -> tuple[float, float, float]:
    """Rate, token rate and epochs, in the alphabetical order of their names."""
    rate, token_rate, epochs = text.split(",")
    return float(rate), float(epochs), float(token_rate)


if __name__ == "__main__":
    main()
