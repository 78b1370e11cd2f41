import ctypes
import subprocess
import sys

import pytest

from leaven.models import heap
from leaven.models.load import load

PAGES = """
import resource
from leaven.models import heap

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        bytearray(40_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = pages()
heap.keep()
bytearray(40_000_000)
print(before, pages())
"""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc")
def test_memory_that_was_freed_is_not_asked_of_the_system_again():
    done = subprocess.run([sys.executable, "-c", PAGES], check=True, capture_output=True, text=True)
    before, after = map(int, done.stdout.split())
    assert before > 10_000 and after < 100


def test_a_model_on_a_cpu_keeps_what_it_frees(tiny_model, monkeypatch):
    calls = []
    monkeypatch.setattr(heap, "keep", lambda: calls.append(1))
    load(tiny_model("llama", True))
    assert calls == [1]


def test_where_the_library_is_another_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    heap.keep()
