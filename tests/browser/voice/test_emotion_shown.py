"""The four stops of what is shown of the voice: off, subtle, full, voice. On the page and the
overlay, in a real browser."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import httpx
import pytest

from streamer.app import ServerOptions
from streamer.client.client import connect
from streamer.hosting.options import EmotionPolicy
from streamer.protocol.messages import EmotionEvent, StartMessage
from streamer.protocol.words import WireEmotion
from tests.browser.chromium import Page
from tests.browser.page_state import COMMITTED, saved, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import HAPPY, final
from tests.fakes import tone
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANGRY = WireEmotion(label="angry", probs={"angry": 0.9, "neutral": 0.1})
CALM = WireEmotion(label="neutral", probs={"neutral": 0.9, "angry": 0.1})
LOUDNESS = (0.0, 14.0, -14.0)
READ_OUT = "document.querySelector('[aria-live=polite]').innerText.split(/\\s+/).join(' ').trim()"


async def script(session: ScriptedSession) -> None:
    """A calm segment, then an angry one with a loud word and a soft one."""
    await session.ready()
    await session.send(EmotionEvent(emotion=HAPPY, start_ms=0, end_ms=2000, lag_ms=1))
    await session.send(final("well then", 0, 0).model_copy(update={"emotion": CALM}))
    said = final("now go away", 2, 1)
    words = tuple(
        word.model_copy(update={"loudness": db, "pitch": 120.0})
        for word, db in zip(said.words, LOUDNESS, strict=True)
    )
    await session.send(said.model_copy(update={"emotion": ANGRY, "words": words}))
    await session.bye()


async def choose(page: Page, stop: str) -> None:
    choice = "document.querySelector('#emotion-shown')"
    await page.evaluate(
        f"{choice}.value = {json.dumps(stop)}; {choice}.dispatchEvent(new Event('change')); 0"
    )


async def heard(page: Page) -> None:
    await page.wait_for(f"{COMMITTED} === 'well then now go away'")
    await page.wait_for("document.querySelectorAll('.line.open').length === 0")


def style(line: int, name: str, pseudo: str = "") -> str:
    """Computed, of a line."""
    node = f"document.querySelectorAll('.line')[{line}]"
    return f"getComputedStyle({node}, {json.dumps(pseudo)})[{json.dumps(name)}]"


async def looks(page: Page) -> dict[str, object]:
    """What is to be seen of two segments' emotion."""
    marks = "[...document.querySelectorAll('.line .emotion')]"
    visible = f"{marks}.filter(mark => mark.offsetWidth > 0).map(mark => mark.textContent)"
    words = "[...document.querySelectorAll('.line:last-child .word')].map(w => getComputedStyle(w))"
    calm_edge = await page.evaluate(style(0, "backgroundColor", "::before"))
    edge = await page.evaluate(style(1, "backgroundColor", "::before"))
    weights = await page.evaluate(f"{words}.map(word => parseFloat(word.fontWeight))")
    sizes = await page.evaluate(f"{words}.map(word => parseFloat(word.fontSize))")
    return {
        "marks": await page.evaluate(visible),
        "edge": edge != calm_edge,
        "tint": await page.evaluate(style(1, "backgroundColor")) != "rgba(0, 0, 0, 0)",
        "panel": await page.evaluate("document.querySelector('#emotion-badge').offsetWidth > 0"),
        "louder_is_heavier": weights[1] > weights[0] > weights[2],
        "louder_is_larger": sizes[1] > sizes[0] > sizes[2],
    }


NOTHING: dict[str, object] = {
    "marks": [],
    "edge": False,
    "tint": False,
    "panel": False,
    "louder_is_heavier": False,
    "louder_is_larger": False,
}
SUBTLE = NOTHING | {"marks": ["angry"], "edge": True}
LOOKS = {
    "off": NOTHING,
    "subtle": SUBTLE,
    "full": SUBTLE | {"marks": ["neutral", "angry"], "tint": True, "panel": True},
    "voice": SUBTLE | {"louder_is_heavier": True, "louder_is_larger": True},
}


async def test_the_stops_show_more_and_more_and_at_once(page: Page) -> None:
    await page.emulate_media(prefers_reduced_motion="reduce")  # else a tint fades
    async with scripted(script) as server:
        await start(page, server)
        await heard(page)
        await page.click("#insight-toggle")
        assert await looks(page) == SUBTLE  # nobody has chosen anything
        face = "document.querySelector('.line:last-child .emotion svg path').getBBox().width"
        assert await page.evaluate(face) == pytest.approx(14, abs=1)
        for name, expected in LOOKS.items():
            await choose(page, name)
            assert await looks(page) == expected, name
        await stop(page)
        await page.goto(server.url)
        shown = "document.documentElement.dataset.emotionShown"
        assert await page.evaluate(shown) == "voice"  # it was kept


@pytest.mark.parametrize(
    ("name", "read_out", "asked"),
    [
        ("", "well then now go away (angry)", None),
        ("off", "well then now go away", False),
        ("full", "well then (neutral) now go away (angry)", True),
        ("voice", "well then now go away (angry)", True),
    ],
)
async def test_what_is_read_out_and_asked_of_the_server(
    page: Page, name: str, read_out: str, asked: bool | None
) -> None:
    async with scripted(script) as server:
        await page.goto(server.url)
        if name:
            await choose(page, name)
        await page.click("#toggle")
        await heard(page)
        assert await page.evaluate(READ_OUT) == read_out
        assert server.sessions[-1].start.emotion is asked
        await stop(page)


KEEP_WISHES = (
    "window.wishes = []; const ask = navigator.mediaDevices.getUserMedia;"
    "navigator.mediaDevices.getUserMedia = function (wish) {"
    " wishes.push(wish.audio); return ask.call(this, wish); }; 0"
)


@pytest.mark.parametrize(
    ("name", "clicked", "suppressed"),
    [
        ("full", "", True),
        ("off", "", True),
        ("full", "#noise", False),
    ],
)
async def test_noise_is_suppressed_as_the_person_set_it_whatever_emotion_is_shown(
    page: Page, name: str, clicked: str, suppressed: bool
) -> None:
    async with scripted(script) as server:
        await page.goto(server.url)
        await page.evaluate(KEEP_WISHES)
        await choose(page, name)
        if clicked:
            await page.click("#settings-open")
            await page.wait_for("document.querySelector('#settings').open")
            await page.click(clicked)
            await page.evaluate("document.querySelector('#settings').close(); 0")
            # A closed dialog says so a little later.
            kept = "JSON.parse(localStorage.getItem('streamer.preferences'))"
            await page.wait_for(f"{kept}.noiseSuppression === {json.dumps(suppressed)}")
        await page.click("#toggle")
        await heard(page)
        (wish,) = await page.evaluate("wishes")
        assert wish["noiseSuppression"] is suppressed
        assert wish["echoCancellation"] is True
        assert wish["autoGainControl"] is True
        await stop(page)


@pytest.mark.parametrize(
    ("name", "srt", "vtt"),
    [
        ("off", "now go away", "now go away"),
        ("subtle", "(angry) now go away", "(angry) now go away"),
        ("full", "(angry) now go away", "<c.angry>now go away</c>"),
        (
            "voice",
            "(angry) now <b>go</b> away",
            "(angry) now <c.loud>go</c> <c.soft>away</c>",
        ),
    ],
)
async def test_subtitles_are_saved_as_shown(
    page: Page, tmp_path: Path, name: str, srt: str, vtt: str
) -> None:
    await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    async with scripted(script) as server:
        await page.goto(server.url)
        await choose(page, name)
        await page.click("#toggle")
        await heard(page)
        await stop(page)
        for kind, expected in (("srt", srt), ("vtt", vtt)):
            lines = (await saved(page, tmp_path, kind)).read_text(encoding="utf-8").splitlines()
            assert lines[-2:] == [expected, ""]
        everything = (await saved(page, tmp_path, "jsonl")).read_text(encoding="utf-8")
        words = json.loads(everything.splitlines()[1])["words"]
        assert [(word["loudness"], word["pitch"]) for word in words] == [
            (loudness, 120) for loudness in LOUDNESS
        ]


@pytest.mark.parametrize(
    ("policy", "shown", "may_choose"),
    [("on", "subtle", True), ("opt-in", "off", True), ("off", "off", False)],
)
async def test_the_server_has_its_say(
    page: Page, policy: EmotionPolicy, shown: str, may_choose: bool
) -> None:
    with ServerThread(ServerOptions(emotion=policy)) as server:
        assert httpx.get(f"{server.http_url}v1/config").json()["emotion"] == policy
        await page.goto(server.http_url)
        choice = "document.querySelector('#emotion-shown')"
        await page.wait_for(
            f"{choice}.value === '{shown}' && {choice}.disabled === {json.dumps(not may_choose)}"
        )
        await page.click("#toggle")
        await page.wait_for(f"{COMMITTED}.length > 0")
        assert server.engine.recognizers[0].options.emotion is (policy == "on")
        await page.goto("about:blank")


@pytest.mark.parametrize("name", LOOKS)
async def test_no_stop_breaks_a_rule_of_accessibility(page: Page, name: str) -> None:
    package = pytest.importorskip("axe_playwright_python")
    axe = (resources.files(package) / "axe.min.js").read_text(encoding="utf-8")
    broken: list[str] = []
    await page.emulate_media(prefers_reduced_motion="reduce")
    async with scripted(script) as server:
        for theme in ("light", "dark", "contrast"):
            await page.goto(server.url)
            stored = json.dumps(json.dumps({"theme": theme, "emotionShown": name}))
            await page.evaluate(f"localStorage.setItem('streamer.preferences', {stored}); 0")
            await start(page, server)
            await heard(page)
            await page.evaluate(f"typeof window.axe === 'object' || (() => {{ {axe} }})(); 0")
            await page.evaluate("Promise.allSettled(document.getAnimations().map(a => a.finish()))")
            found = json.loads(
                await page.evaluate("axe.run(document).then(result => JSON.stringify(result))")
            )
            broken += [f"{theme}: {rule['id']}" for rule in found["violations"]]
            await stop(page)
    await page.emulate_media(prefers_reduced_motion="no-preference")
    assert broken == []


@pytest.mark.parametrize(
    ("query", "mark", "colour"),
    [
        ("", "happy", "rgb(255, 255, 255)"),
        ("&emotion=off", "", "rgb(255, 255, 255)"),
        ("&emotion=subtle", "happy", "rgb(255, 255, 255)"),
        ("&emotion=full", "", "rgb(255, 215, 106)"),
        ("&emotion=voice", "happy", "rgb(255, 255, 255)"),
        ("&emotion=nonsense", "happy", "rgb(255, 255, 255)"),
    ],
)
async def test_the_overlay_has_the_stops_in_its_address(
    page: Page, query: str, mark: str, colour: str
) -> None:
    with ServerThread(ServerOptions(heartbeat_s=0.02)) as server:
        async with connect(server.url, StartMessage()) as client:
            assert client.ready is not None
            await page.goto(f"{server.http_url}overlay?session={client.ready.follow_id}{query}")
            await client.send_audio(tone(1.0))
            await client.finalize()
            await page.wait_for("document.querySelector('.line')?.dataset.emotion === 'happy'")
            visible = (
                "[...document.querySelectorAll('.emotion')]"
                ".filter(mark => mark.offsetWidth > 0).map(mark => mark.textContent).join()"
            )
            assert await page.evaluate(visible) == mark
            colours = "getComputedStyle(document.querySelector('.word')).color"
            assert await page.evaluate(colours) == colour
            assert await page.evaluate("document.querySelector('.time').offsetWidth") == 0
        await page.goto("about:blank")


async def test_the_overlays_address_takes_the_stop_along(page: Page) -> None:
    address = "document.querySelector('#share-address').value"
    async with scripted(script) as server:
        await page.goto(server.url)
        stored = json.dumps(json.dumps({"followId": "abc"}))
        await page.evaluate(f"localStorage.setItem('streamer.preferences', {stored}); 0")
        await page.goto(server.url)
        assert (await page.evaluate(address)).endswith("/overlay?session=abc")
        await choose(page, "voice")
        assert (await page.evaluate(address)).endswith("/overlay?session=abc&emotion=voice")
