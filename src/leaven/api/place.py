"""Where a run lies: the folder that a user names, or a temporary one that goes when nothing needs it any more."""

import shutil
import tempfile
import weakref
from pathlib import Path


class Place:
    """A folder; without a name a temporary one, removed with the last result that holds it."""

    def __init__(self, folder: str | Path | None) -> None:
        self.path = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="leaven-"))
        if not folder:
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __repr__(self) -> str:
        return f"Place({str(self.path)!r})"
