"""A stream with a window: what it lists, and what is left of its files."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from streamer.cli.output.live.hls import SEGMENT_S, HlsCaptions
from streamer.cli.output.live.outputs import live_outputs
from streamer.cli.output.live.playlist import PLAYLIST
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.sides import NOBODY
from tests.streamer.cli.output.live.captioned import piece, update
from tests.streamer.cli.output.live.playlists import read_playlist

WINDOW = 3
BEGUN_S = 1_800_000_000.0


@pytest.fixture
def hls(tmp_path: Path) -> HlsCaptions:
    return HlsCaptions(tmp_path, EmotionShown.OFF, NOBODY, lambda: BEGUN_S, window=WINDOW)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.vtt")}


def heard(hls: HlsCaptions, n_segments: int) -> None:
    """Go on until so many segments are there; each has a sentence."""
    until_ms = 1000 * SEGMENT_S * n_segments
    hls.take(piece(f"Sentence {n_segments}.", until_ms - 3_000))
    hls.reached(until_ms, until_ms)


def test_only_the_newest_segments_are_listed_and_counted_on(
    tmp_path: Path, hls: HlsCaptions
) -> None:
    for n_segments in range(1, 8):
        heard(hls, n_segments)
        playlist = read_playlist(tmp_path / PLAYLIST)
        assert not playlist.only_grows
        assert playlist.sequence == max(0, n_segments - WINDOW)
        assert [segment.name[-9:-4] for segment in playlist.segments] == [
            f"{number:05d}" for number in range(playlist.sequence, n_segments)
        ]
        assert [cue.text for segment in playlist.segments for cue in segment.cues] == [
            f"Sentence {number + 1}." for number in range(playlist.sequence, n_segments)
        ]
    assert playlist.segments[0].moment == "2027-01-15T08:00:24.000+00:00"


def test_what_a_player_has_read_of_can_be_played_to_its_end(
    tmp_path: Path, hls: HlsCaptions
) -> None:
    """RFC 8216, 6.2.2: for as long as the playlist lasts, and the segment that left it."""
    read: list[list[str]] = []
    for n_segments in range(1, 40):
        heard(hls, n_segments)
        read.append([segment.name for segment in read_playlist(tmp_path / PLAYLIST).segments])
        still_played = read[-WINDOW - 2 :]
        assert {name for names in still_played for name in names} <= files(tmp_path)
        assert len(files(tmp_path)) <= 2 * WINDOW + 1


def test_at_the_end_the_window_is_left_and_nothing_else(tmp_path: Path, hls: HlsCaptions) -> None:
    for n_segments in range(1, 9):
        heard(hls, n_segments)
    hls.end(50_000)
    playlist = read_playlist(tmp_path / PLAYLIST)
    assert playlist.ended
    assert (playlist.sequence, len(playlist.segments)) == (6, WINDOW)
    assert files(tmp_path) == {segment.name for segment in playlist.segments}


def test_a_window_that_players_could_not_follow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 segments or more"):
        HlsCaptions(tmp_path, EmotionShown.OFF, window=2)


@pytest.mark.parametrize(("minutes", "left"), [(0, 25), (1, 10)])
def test_minutes_are_kept_or_all(tmp_path: Path, minutes: int, left: int) -> None:
    with live_outputs([f"hls:{tmp_path}"], "en", EmotionShown.OFF, hls_minutes=minutes) as outputs:
        outputs.on_event(update("Late words.", 148_000))
    playlist = read_playlist(tmp_path / PLAYLIST)
    assert len(playlist.segments) == left
    assert playlist.only_grows == (minutes == 0)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{PLAYLIST}"
        finally:
            server.shutdown()


def test_a_player_reads_the_window_over_http(tmp_path: Path, hls: HlsCaptions) -> None:
    av = pytest.importorskip("av")
    for n_segments in range(1, 9):
        heard(hls, n_segments)
    hls.end(48_000)
    options = {"allowed_extensions": "ALL"}
    with served(tmp_path) as address, av.open(address, options=options) as opened:
        (stream,) = opened.streams
        texts = [bytes(packet).decode() for packet in opened.demux(stream) if packet.size]
    assert re.sub(r"\s+", " ", " ".join(texts)) == "Sentence 6. Sentence 7. Sentence 8."
