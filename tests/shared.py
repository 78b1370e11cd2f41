"""The real data of tests that read them, where they are at hand."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("LEAVEN_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data")
"""LEAVEN_SHARED_DATA, or ../shared/data beside the repository."""
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")
"""Marks a test that reads them."""
