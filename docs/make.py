"""Make what the documents take from the code: the tree and the files.

When asked, also the base's quality (--quality), what a real model reproduces of the paper (--reproduced FOLDER), and
whether LIFT works (--lift-works FOLDER).
"""

import ast
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "leaven"
README, MAP, REAL = ROOT / "README.md", ROOT / "docs" / "architecture.md", ROOT / "docs" / "real.md"
LIFT = ROOT / "docs" / "lift-works.md"


def tree() -> str:
    """The folders with their meaning, and below each the names of its files."""
    lines = []
    for folder in (PACKAGE, *sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))):
        name = "leaven/" if folder == PACKAGE else f"  {folder.name}/"
        lines.append(f"{name:12} {first_line(folder / '__init__.py')}")
        stems = (path.stem for path in sorted(folder.glob("*.py")) if not path.stem.startswith("__"))
        lines += textwrap.wrap(" · ".join(stems), 120, initial_indent=" " * 13, subsequent_indent=" " * 13)
    return "```\n" + "\n".join(lines) + "\n```"


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


def reproduced(folder: Path) -> str:
    """The page of `leaven reproduce all --scale smol`, a level deeper, with its charts among the figures."""
    page = (folder / "results.md").read_text(encoding="utf-8").split("\n", 2)[2]
    for chart in sorted(folder.glob("*.svg")):
        shutil.copyfile(chart, REAL.parent / "figures" / f"smol-{chart.name}")
        page = page.replace(f"]({chart.name})", f"](figures/smol-{chart.name})")
    return re.sub(r"^## ", "### ", page, flags=re.MULTILINE).strip()


def main() -> None:
    """Write the README and the map of files anew, and with a folder what was measured in it."""
    if "--lift-works" in sys.argv:
        table = (Path(sys.argv[sys.argv.index("--lift-works") + 1]) / "results.md").read_text(encoding="utf-8").strip()
        LIFT.write_text(put(LIFT.read_text(encoding="utf-8"), "figures", table), encoding="utf-8")
    if "--reproduced" in sys.argv:
        folder = Path(sys.argv[sys.argv.index("--reproduced") + 1])
        REAL.write_text(put(REAL.read_text(encoding="utf-8"), "reproduced", reproduced(folder)), encoding="utf-8")
    text = put(README.read_text(encoding="utf-8"), "tree", tree())
    if "--quality" in sys.argv:
        text = put(text, "quality", quality())
    README.write_text(text, encoding="utf-8")
    MAP.write_text(put(MAP.read_text(encoding="utf-8"), "files", files()), encoding="utf-8")


if __name__ == "__main__":
    main()
