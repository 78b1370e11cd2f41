"""A full disk, told by what the many libraries that write say of it; and a place that may not be written or read."""

import errno
import re

REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAID = re.compile(
    r"no space left|file too large|quota exceeded|database or disk is full|disk i/o error|"
    r"\d+ requested and \d+ written|PytorchStreamWriter failed|os error (28|27|122)\b",
    re.I,
)  # sqlite, numpy, torch and the libraries in Rust give no number


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, means that the disk (or the user's part of it) is full."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in FULL) or _SAID.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def refusal(error: Exception) -> str:
    """Which file may not be written or read, and why, in the system's words: "/etc/x: Permission denied"; else ""."""
    if isinstance(error, OSError) and error.errno in REFUSED and error.filename:
        return f"{error.filename}: {error.strerror}"
    return ""
