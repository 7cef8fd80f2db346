"""What the page saves: the same subtitles as the server writes, and the sound it has heard."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from streamer.transcript.formats import CaptionFormat, caption_text
from tests.browser.chromium import Page
from tests.browser.page_state import IDLE, LIVE, NOTICES, TENTATIVE, saved, start, stop
from tests.browser.scripted_server import scripted
from tests.browser.scripts import HAPPY, captions_of_two_segments
from tests.fakes import silence, tone
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE = 16_000


@pytest_asyncio.fixture(loop_scope="module")
async def page(page: Page, tmp_path: Path) -> Page:
    """The tab, which saves into the test's folder."""
    await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    return page


def recording(path: Path, *tones_s: float) -> Path:
    """A file with tones, each of which becomes a segment.

    They end 0.125 s within the fake recognizer's blocks, which begin when the page begins to
    listen: a little before the file, when the machine is busy.
    """
    parts = [silence(0.125)]
    for tone_s in tones_s:
        parts += [tone(tone_s), silence(0.75)]
    soundfile.write(path, np.concatenate(parts), RATE)
    return path


async def play(page: Page, path: Path) -> None:
    await page.choose_file("#file", path)
    await page.wait_for(LIVE)
    await page.wait_for(IDLE, timeout_s=30)


async def test_exports_hold_what_was_committed(page: Page, tmp_path: Path) -> None:
    async def text(kind: str) -> str:
        return (await saved(page, tmp_path, kind)).read_text(encoding="utf-8")

    async with scripted(captions_of_two_segments) as server:
        await start(page, server)
        choice = "document.querySelector('#emotion-shown')"
        await page.evaluate(f"{choice}.value = 'off'; {choice}.dispatchEvent(new Event('change'))")
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await stop(page)
        assert await text("txt") == "The sun shot out\nno <air>\n"
        first, second = (json.loads(line) for line in (await text("jsonl")).splitlines())
        assert first["text"] == "The sun shot out"
        assert (first["start_s"], first["end_s"], first["final"]) == (0, 1.15, True)
        assert first["emotion"] == HAPPY.model_dump()
        assert [w["text"] for w in second["words"]] == ["no", "<air>"]
        assert not second["final"]
        assert "emotion" not in second
        assert await text("srt") == (
            "1\n00:00:00,000 --> 00:00:01,150\nThe sun shot out\n\n"
            "2\n00:00:01,230 --> 00:00:02,150\nno <air>\n\n"
        )
        assert await text("vtt") == (
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.150\nThe sun shot out\n\n"
            "00:00:01.230 --> 00:00:02.150\nno &lt;air&gt;\n\n"
        )


async def test_files_are_those_that_the_server_would_write(
    page: Page, server: ServerThread, tmp_path: Path
) -> None:
    server.engine.prefix = "word-at-sample-"  # so long that a few fill a subtitle
    await page.goto(server.http_url)
    await play(page, recording(tmp_path / "sounds.wav", 2.75, 0.25, 0.25))
    (recognizer,) = server.engine.recognizers
    segments = recognizer.ledger.segments
    assert [len(segment.words) for segment in segments] == [6, 1, 1]
    assert caption_text(CaptionFormat.SRT, segments).count("-->") > len(segments)
    for kind in (CaptionFormat.SRT, CaptionFormat.VTT, CaptionFormat.TXT):
        path = await saved(page, tmp_path, kind)
        assert path.read_text(encoding="utf-8") == caption_text(kind, segments)
    lines = (await saved(page, tmp_path, "jsonl")).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [segment.text for segment in segments]


async def test_sound_is_saved_as_it_was_heard_and_in_time_with_the_words(
    page: Page, server: ServerThread, tmp_path: Path
) -> None:
    sounds = recording(tmp_path / "sounds.wav", 1.25)
    await page.goto(server.http_url)
    await play(page, sounds)
    await play(page, sounds)
    path = await saved(page, tmp_path, "wav")
    heard, rate = soundfile.read(path)
    assert soundfile.info(path).channels == 1
    assert soundfile.info(path).subtype == "PCM_16"
    durations = [recognizer.received_samples / RATE for recognizer in server.engine.recognizers]
    assert len(heard) / rate == pytest.approx(sum(durations), abs=0.02)
    first, second = (
        json.loads(line) for line in (await saved(page, tmp_path, "jsonl")).read_text().splitlines()
    )
    for caption in (first, second):
        # Where words are there is the tone, and before the first of them there is none.
        start, end = (round(caption[key] * rate) for key in ("start_s", "end_s"))
        assert np.abs(heard[start + rate // 10 : end - rate]).max() == pytest.approx(0.3, abs=0.02)
    between = heard[round((second["start_s"] - 0.05) * rate) : round(second["start_s"] * rate)]
    assert np.abs(between).max() < 0.01


async def test_clearing_takes_the_sound_too_until_it_is_undone(
    page: Page, server: ServerThread, tmp_path: Path
) -> None:
    sounds = recording(tmp_path / "sounds.wav", 1.25)
    await page.goto(server.http_url)
    await play(page, sounds)
    path = await saved(page, tmp_path, "wav")
    whole, whole_s = path.read_bytes(), soundfile.info(path).duration
    await page.click("#clear")
    assert await page.evaluate("document.querySelector('#save-open').ariaDisabled") == "true"
    await page.click(".notice button")
    assert (await saved(page, tmp_path, "wav")).read_bytes() == whole
    await page.click("#clear")
    await play(page, sounds)
    path = await saved(page, tmp_path, "wav")
    # Not both; how soon the page notices the end of a file depends on the machine.
    assert soundfile.info(path).duration == pytest.approx(whole_s, abs=0.75)
    begins = f"The saved sound begins at 0:{int(whole_s):02} of"
    await page.wait_for(f"{NOTICES}.includes({begins!r})")


async def test_only_the_newest_sound_is_kept(page: Page, server: ServerThread) -> None:
    await page.goto(server.http_url)
    # As many minutes as fit, and one more, each of another loudness.
    loudness = await page.evaluate("""(async () => {
      const { Recording, RECORDED_MINUTES } = await import('/static/audio/recording.js');
      const recording = new Recording();
      for (let minute = 0; minute <= RECORDED_MINUTES; minute += 1) {
        recording.add(new Float32Array(60 * 8000).fill(minute / 100), 8000);
      }
      const bytes = await recording.toWav().arrayBuffer();
      const samples = new Int16Array(bytes, 44);
      return [RECORDED_MINUTES, samples.length / 8000, samples[0], samples.at(-1),
              recording.startMs];
    })()""")
    minutes = loudness[0]
    assert loudness == [minutes, 60 * minutes, 328, round(327.67 * minutes), 60_000]
