from __future__ import annotations

import subprocess
import sys

import pytest

_GROWTH = """
import numpy as np, psutil
from streamer.runtime.allocator import give_large_blocks_back
if {ours}:
    give_large_blocks_back()
np.ones(30 << 20, np.uint8)  # freed: glibc learns to take such blocks from the heap
before = psutil.Process().memory_info().rss
kept, large = [], []
for _ in range(40):
    large.append(np.ones(6 << 20, np.uint8))
    kept += [bytes(100_000), bytes(100_000)]  # what lives on between sessions
large.clear()
print((psutil.Process().memory_info().rss - before) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is about glibc")
def test_what_large_buffers_took_is_given_back() -> None:
    def growth_mb(*, ours: bool) -> int:
        program = _GROWTH.format(ours=ours)
        return int(subprocess.check_output([sys.executable, "-c", program], text=True))

    assert growth_mb(ours=True) < 50
    if growth_mb(ours=False) < 100:
        pytest.skip("this C library gives it back by itself")
