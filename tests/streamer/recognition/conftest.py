"""What tests of one stream share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest


@pytest.fixture(scope="module")
def lane() -> Iterator[Executor]:
    """Where emotions are classified."""
    with ThreadPoolExecutor(1) as pool:
        yield pool
