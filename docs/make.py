"""Make what the documents take from the code: the map of files, and the claims that are written down before the runs.

When asked, also the base's quality (--quality), what a real model, or with --lab the lab's, reproduces of the paper
(--reproduced FOLDER), what each part of DELIA is worth on the lab (--explained FOLDER), whether LIFT works
(--lift-works FOLDER), and which engines answer as a tuned model does (--serving FOLDER).
"""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, RUNS = ROOT / "src" / "leaven", ROOT / "docs" / "runs"
NAMES = ("architecture", "real", "results", "lift-works", "preregistration", "serving")
EXPLAINED = RUNS / "lab-explain.parquet"
MAP, REAL, RESULTS, LIFT, CLAIMS, SERVING = (ROOT / "docs" / f"{name}.md" for name in NAMES)


def files() -> str:
    """Every file of the package with the first line of its docstring."""
    paths = sorted(PACKAGE.rglob("*.py"), key=lambda path: (path.parent != PACKAGE, path))
    lines = [f"{path.relative_to(PACKAGE)!s:28} {first_line(path)}" for path in paths if path.stem != "__init__"]
    return "```\n" + "\n".join(lines) + "\n```"


def first_line(path: Path) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def quality() -> str:
    """What `leaven lab quality` prints, as one line."""
    command = [sys.executable, "-m", "leaven", "lab", "quality", "--per-family", "100"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.strip().split("%", 1) for line in printed.splitlines()]
    return " · ".join(f"{name.strip()} {float(share):.0f}" for share, name in rows)


def put(text: str, mark: str, content: str) -> str:
    """The text with what stands between a mark and its end replaced."""
    return re.sub(
        rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL
    )


def reproduced(folder: Path, scale: str) -> str:
    """The page of `leaven reproduce all`, or of as many of its claims as were run, in a folder, a level deeper.

    Its charts go to docs/figures, and the score tables of its studies to docs/runs, from which anyone can compute it
    anew: leaven reproduce all --from docs/runs.
    """
    from leaven.study import reproduce, score_tables

    for study in reproduce.SCALES[scale]:
        scores = reproduce.finished(folder / study)
        if len(scores):
            order = reproduce.Order(scale, (), folder)
            score_tables.write(scale, study, scores, reproduce.about(study, order), RUNS)
    pages = (folder / f"{name}.md" for name in ("results", "controls", "primary"))
    page = next(path for path in pages if path.exists()).read_text(encoding="utf-8").split("\n", 2)[2]
    for chart in sorted(folder.glob("*.svg")):
        shutil.copyfile(chart, REAL.parent / "figures" / f"{scale}-{chart.name}")
        page = page.replace(f"]({chart.name})", f"](figures/{scale}-{chart.name})")
    return re.sub(r"^## ", "### ", page, flags=re.MULTILINE).strip()


def explained(scores: Path) -> str:
    """The Shapley shares of a study of all 32 ways to switch DELIA's parts on and off; its scores go to docs/runs."""
    import polars as pl

    from leaven.study import columns, explain

    table = pl.read_parquet(scores).filter(pl.col("metric").is_in(explain.MEASURES))
    if scores.resolve() != EXPLAINED:
        table.write_parquet(EXPLAINED, compression="zstd")
    worths = explain.worths(table)
    headings = " | ".join(columns.column(measure).heading for measure in worths)
    lines = [f"| part | {headings} |", "|---|" + "--:|" * len(worths)]
    for label, cells in explain.lines(table, worths):
        lines.append(f"| {label if label in explain.PARTS else f'*{label}*'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def claims() -> str:
    """The claims of the reproductions, family by family, and what so many seeds can show."""
    from leaven.view import preregistration

    return preregistration.markdown()


def main() -> None:
    """Write the map of files and the claims anew, and with a flag what was measured."""
    _write(MAP, "files", files())
    _write(CLAIMS, "claims", claims())
    if "--quality" in sys.argv:
        _write(RESULTS, "quality", quality())
    if "--explained" in sys.argv:
        place = _folder("--explained")
        _write(RESULTS, "explained", explained(place if place.is_file() else place / "scores.parquet"))
    if "--lift-works" in sys.argv:
        _write(LIFT, "figures", (_folder("--lift-works") / "results.md").read_text(encoding="utf-8").strip())
    if "--serving" in sys.argv:
        _write(SERVING, "matrix", (_folder("--serving") / "serving.md").read_text(encoding="utf-8").strip())
    if "--reproduced" in sys.argv:
        scale = "lab" if "--lab" in sys.argv else "smol"
        _write(RESULTS if scale == "lab" else REAL, "reproduced", reproduced(_folder("--reproduced"), scale))


def _folder(flag: str) -> Path:
    """What follows a flag."""
    return Path(sys.argv[sys.argv.index(flag) + 1])


def _write(page: Path, mark: str, content: str) -> None:
    page.write_text(put(page.read_text(encoding="utf-8"), mark, content), encoding="utf-8")


if __name__ == "__main__":
    main()
