"""A reader of HLS captions as strict as RFC 8216 is, independent of what writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_TIME = r"(\d\d):([0-5]\d):([0-5]\d)\.(\d{3})"


@dataclass(frozen=True)
class ReadCue:
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True)
class ReadSegment:
    name: str
    duration_s: float
    moment: str
    cues: list[ReadCue]


@dataclass(frozen=True)
class ReadPlaylist:
    segments: list[ReadSegment]
    ended: bool
    sequence: int
    """Number of the first segment."""
    only_grows: bool


def read_playlist(path: Path) -> ReadPlaylist:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    only_grows = "#EXT-X-PLAYLIST-TYPE:EVENT" in lines
    n_head = 5 if only_grows else 4
    tags = dict(line[1:].split(":", 1) for line in lines[1:n_head])
    assert int(tags["EXT-X-VERSION"]) >= 3  # durations have fractions
    sequence = int(tags["EXT-X-MEDIA-SEQUENCE"])
    assert not (only_grows and sequence)
    rest, segments = lines[n_head:], []
    ended = rest[-1:] == ["#EXT-X-ENDLIST"]
    if ended:
        rest = rest[:-1]
    assert len(rest) % 3 == 0
    until_ms = 1000.0 * sequence * int(tags["EXT-X-TARGETDURATION"])
    for at in range(0, len(rest), 3):
        moment, extinf, name = rest[at : at + 3]
        told = re.fullmatch(r"#EXTINF:(\d+\.\d{3}),", extinf)
        assert told
        duration_s = float(told[1])
        assert round(duration_s) <= int(tags["EXT-X-TARGETDURATION"])
        cues = _read_cues(path.parent / name)
        for cue in cues:  # all are shown in this segment
            assert cue.start_ms < until_ms + 1000 * duration_s
            assert cue.end_ms > until_ms
        until_ms += 1000 * duration_s
        segments.append(
            ReadSegment(name, duration_s, moment.removeprefix("#EXT-X-PROGRAM-DATE-TIME:"), cues)
        )
    return ReadPlaylist(segments, ended, sequence, only_grows)


def _read_cues(path: Path) -> list[ReadCue]:
    head, *blocks, last = path.read_text(encoding="utf-8").split("\n\n")
    assert head == "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0"
    assert last == ""
    cues = []
    for block in blocks:
        times, text = block.split("\n", 1)
        found = re.fullmatch(rf"{_TIME} --> {_TIME}", times)
        assert found
        cues.append(ReadCue(_ms(found.groups()[:4]), _ms(found.groups()[4:]), text))
    return cues


def _ms(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, ms = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms
