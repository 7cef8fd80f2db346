"""Pages that follow somebody's session."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.browser.chromium import Page
from tests.serving import ServerThread


@pytest_asyncio.fixture(loop_scope="module")
async def page(tab: Page, server: ServerThread) -> AsyncIterator[Page]:
    """The tab with nothing stored, which leaves the server before that ends."""
    await tab.call("Storage.clearDataForOrigin", origin="*", storageTypes="local_storage")
    tab.problems.clear()
    yield tab
    await tab.goto("about:blank")
    assert tab.problems == []
