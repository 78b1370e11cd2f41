"""Make the parts of the README that come from the code: the tree, and the base's quality when asked for (--quality)."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def tree() -> str:
    """Every file of the package with the first line of its docstring."""
    lines = []
    for path in sorted(
        (ROOT / "src" / "leaven").rglob("*.py"), key=lambda path: (path.parent != ROOT / "src/leaven", path)
    ):
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if doc:
            name = str(path.relative_to(ROOT / "src" / "leaven"))
            lines.append(f"{name:28} {doc.splitlines()[0]}")
    return "```\n" + "\n".join(lines) + "\n```"


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


def main() -> None:
    """Write the README anew."""
    text = put(README.read_text(encoding="utf-8"), "tree", tree())
    if "--quality" in sys.argv:
        text = put(text, "quality", quality())
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
