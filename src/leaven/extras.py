"""Which extra brings a package: what is missing is said with the command that installs it, and never as a traceback."""

from collections.abc import Iterable
from importlib.util import find_spec

from leaven.errors import UserError

EXTRAS: dict[str, str] = {
    "accelerate": "train",
    "aiohttp": "llm",
    "altair": "report",
    "faiss": "scale",
    "gguf": "gguf",
    "huggingface_hub": "train",
    "immutabledict": "benchmarks",
    "langdetect": "benchmarks",
    "lm_eval": "benchmarks",
    "mlx_lm": "mlx",
    "nltk": "benchmarks",
    "peft": "train",
    "presidio_analyzer": "filters",
    "py3langid": "filters",
    "ray": "scale",
    "sacrebleu": "evaluate",
    "safetensors": "train",
    "scipy": "report",
    "sentence_transformers": "embed",
    "sklearn": "curate",
    "tokenizers": "train",
    "torch": "train",
    "transformers": "train",
    "vl_convert": "report",
    "vllm": "vllm",
    "xllamacpp": "serving",
}
"""Packages that are not there in a bare install, and the extra that brings each."""

REPORT = ("scipy", "altair", "vl_convert")
"""What a report is drawn with."""
STUDY = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers", *REPORT)
"""What a study needs from its first cell to its report."""


class Missing(UserError):
    """Packages that are not installed, and the command that installs the extras that bring them."""

    def __init__(self, packages: Iterable[str]) -> None:
        self.packages = tuple(dict.fromkeys(packages))
        extras = ",".join(dict.fromkeys(EXTRAS[package] for package in self.packages if package in EXTRAS))
        verb = "is" if len(self.packages) == 1 else "are"
        super().__init__(
            f"{', '.join(self.packages)} {verb} not installed", f"It takes an extra: pip install 'leaven[{extras}]'"
        )


def require(*packages: str) -> None:
    """Raises Missing for packages that are not installed.

    >>> require("json")
    """
    if missing := [package for package in packages if not _installed(package)]:
        raise Missing(missing)


def installed(*packages: str) -> bool:
    """Whether all of these packages can be imported; imports none of them.

    >>> installed("json")
    True
    """
    return all(map(_installed, packages))


def explain(error: ImportError) -> Missing | None:
    """The sentence for an import of a package that an extra brings; None for any other."""
    package = (error.name or "").partition(".")[0]
    return Missing([package]) if package in EXTRAS else None


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
