"""Which extra brings a package: what is missing is said with the command that installs it, and never as a traceback."""

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

STUDY = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers", "scipy", "altair", "vl_convert")
"""What a study needs from its first cell to its report."""


def require(*packages: str) -> None:
    """Raises UserError that names the extras for packages that are not installed.

    >>> require("json")
    """
    if missing := [package for package in packages if not _installed(package)]:
        raise _missing(missing)


def installed(*packages: str) -> bool:
    """Whether all of these packages can be imported; imports none of them.

    >>> installed("json")
    True
    """
    return all(map(_installed, packages))


def explain(error: ImportError) -> UserError | None:
    """The sentence for an import of a package that an extra brings; None for any other."""
    package = (error.name or "").partition(".")[0]
    return _missing([package]) if package in EXTRAS else None


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _missing(packages: list[str]) -> UserError:
    extras = ",".join(dict.fromkeys(EXTRAS[package] for package in packages if package in EXTRAS))
    verb = "is" if len(packages) == 1 else "are"
    return UserError(
        f"{', '.join(packages)} {verb} not installed", f"It takes an extra: pip install 'leaven[{extras}]'"
    )
