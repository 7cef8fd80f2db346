"""What tests ask the caption page, as JavaScript, and what several of them do on it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.browser.chromium import Page
from tests.browser.scripted_server import ScriptedServer

STATE = "document.querySelector('#status').dataset.state"
IDLE = f"['idle', 'gone'].includes({STATE})"
LIVE = f"{STATE} === 'live'"
PAUSED = f"{STATE} === 'paused'"
COMMITTED = "[...document.querySelectorAll('.word')].map(node => node.textContent).join(' ')"
TENTATIVE = "document.querySelector('.tentative')?.textContent ?? ''"
NOTICES = "[...document.querySelectorAll('.notice p')].map(node => node.textContent).join(' | ')"
BANNER = (
    "[...document.querySelectorAll('#banner-alert, #banner-news')].map(n => n.textContent).join('')"
)


async def start(page: Page, server: ScriptedServer, query: str = "") -> None:
    await page.goto(server.url + "/" + query)
    await page.click("#toggle")


async def stop(page: Page) -> None:
    await page.click("#toggle")
    await page.wait_for(IDLE)


async def rename(page: Page, nth: int, name: str) -> None:
    """Give another name to the one whose name stands there as the `nth`, from 0."""
    await page.evaluate(f"document.querySelectorAll('.who:not([hidden])')[{nth}].click(); 0")
    await page.evaluate(f"document.querySelector('.who-field').value = {json.dumps(name)}; 0")
    await page.press("Enter", 13, "\r")


async def saved(page: Page, folder: Path, kind: str, menu: str = "#save-open") -> Path:
    """The file that the page saves into the folder to which it downloads."""
    for old in folder.glob("captions-*"):
        old.unlink()
    await page.click(menu)
    await page.click(f"[data-format={kind}]")
    async with asyncio.timeout(10):
        # The browser makes the file first, and fills it then.
        while not [path.stat().st_size for path in folder.glob(f"captions-*.{kind}")] > [0]:
            await asyncio.sleep(0.05)
    return next(folder.glob(f"captions-*.{kind}"))


async def violations(page: Page, axe: str) -> list[str]:
    """What of the page breaks a rule of axe-core, whose source is given."""
    await page.evaluate(f"typeof window.axe === 'object' || (() => {{ {axe} }})(); 0")
    # Colours that are on their way are not yet what is read.
    await page.evaluate("Promise.allSettled(document.getAnimations().map(a => a.finish()))")
    found = await page.evaluate("axe.run(document).then(result => JSON.stringify(result))")
    result = json.loads(found)
    assert len(result["passes"]) > 15
    return [
        f"{rule['id']}: {node['html']} {node['failureSummary']}"
        for rule in result["violations"]
        for node in rule["nodes"]
    ]
