"""Captions as text: SRT, WebVTT, JSON lines and plain text. All are views of final segments."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from itertools import pairwise
from typing import Any, Protocol

from streamer.audio.clock import seconds_from_samples
from streamer.protocol.joining import gap
from streamer.transcript.cues import Cue, Piece
from streamer.transcript.emotion_shown import EmotionShown, volume
from streamer.transcript.events import SoundHeard
from streamer.transcript.ledger import Emotion, Segment, Word
from streamer.transcript.sides import NOBODY, CuesInTurn, InTurn, Names, Naming


class CaptionFormat(StrEnum):
    """The value is the suffix of such a file."""

    SRT = "srt"
    VTT = "vtt"
    JSONL = "jsonl"
    TXT = "txt"


class CaptionWriter(Protocol):
    """Makes a file of segments as they become final: `head`, then what `add` gives for each, is
    a valid file at every point. Who reads it while it grows has every cue to its end: an empty
    line stands behind each, not before the next."""

    head: str

    def add(self, segment: Segment, open_from: int | None = None) -> str:
        """The text that comes next, now that the segment is final.

        Args:
            open_from: where the earliest segment of another channel begins that is still being
                spoken; what begins later waits for it.
        """

    def add_sound(self, sound: SoundHeard, open_from: int | None = None) -> str:
        """The same for a sound that is no speech, when it begins and when it has ended."""

    def end(self) -> str:
        """What waits."""


def caption_writer(
    wanted: CaptionFormat,
    shown: EmotionShown = EmotionShown.SUBTLE,
    names: Names = NOBODY,
) -> CaptionWriter:
    """A writer for a new file.

    Args:
        shown: of the voice, in subtitles; text has none of it, JSON lines all there is.
        names: of those who speak.
    """
    match wanted:
        case CaptionFormat.SRT:
            return _Srt(shown, names)
        case CaptionFormat.VTT:
            return _Vtt(shown, names)
        case CaptionFormat.JSONL:
            return _Jsonl(names)
        case CaptionFormat.TXT:
            return _Txt(names)


def caption_text(
    wanted: CaptionFormat,
    segments: Iterable[Segment],
    shown: EmotionShown = EmotionShown.SUBTLE,
) -> str:
    """A whole file."""
    writer = caption_writer(wanted, shown)
    return writer.head + "".join(writer.add(segment) for segment in segments) + writer.end()


class _OfCues(ABC):
    """A file of cues."""

    def __init__(self, *, tagged: bool) -> None:
        """`tagged`: see `CueTrack`."""
        self._cues = CuesInTurn(tagged=tagged)

    def add(self, segment: Segment, open_from: int | None = None) -> str:
        return "".join(map(self._written, self._cues.add(segment, open_from)))

    def add_sound(self, sound: SoundHeard, open_from: int | None = None) -> str:
        if sound.end_sample is not None:
            return ""
        return "".join(map(self._written, self._cues.add_sound(sound, open_from)))

    def end(self) -> str:
        return "".join(map(self._written, self._cues.end()))

    @abstractmethod
    def _written(self, cue: Cue) -> str: ...


class _OfSegments(ABC):
    """A file of whole segments, and of sounds between them."""

    head = ""

    def __init__(self) -> None:
        self._turn: InTurn[Segment | SoundHeard] = InTurn()

    def add(self, segment: Segment, open_from: int | None = None) -> str:
        return self._given(segment, open_from)

    def end(self) -> str:
        return "".join(map(self._line, self._turn.end()))

    @abstractmethod
    def add_sound(self, sound: SoundHeard, open_from: int | None = None) -> str: ...

    def _given(self, item: Segment | SoundHeard, open_from: int | None) -> str:
        return "".join(map(self._line, self._turn.add([(item.start_sample, item)], open_from)))

    def _line(self, item: Segment | SoundHeard) -> str:
        return self._of_sound(item) if isinstance(item, SoundHeard) else self._written(item)

    @abstractmethod
    def _written(self, segment: Segment) -> str: ...

    @abstractmethod
    def _of_sound(self, sound: SoundHeard) -> str: ...


class _Srt(_OfCues):
    """SubRip: numbered cues. The format knows no escapes; an arrow in the text is replaced, and
    loud words are bold, which players take."""

    head = ""

    def __init__(self, shown: EmotionShown, names: Names) -> None:
        super().__init__(tagged=shown is not EmotionShown.OFF)
        self._naming = Naming(names)
        self._loud = "<b>{}</b>" if shown is EmotionShown.VOICE else "{}"
        self._number = 0

    def _written(self, cue: Cue) -> str:
        self._number += 1
        times = f"{_srt_time(cue.start_ms)} --> {_srt_time(cue.end_ms)}"
        lines = "\n".join(_joined(line, self._word) for line in cue.pieces)
        return (
            f"{self._number}\n{times}\n{self._naming.prefix(cue.channel, cue.speaker)}{lines}\n\n"
        )

    def _word(self, piece: Piece) -> str:
        text = piece.text.replace("-->", "\u2192")
        return self._loud.format(text) if volume(piece.loudness_db) == "loud" else text


class _Vtt(_OfCues):
    """WebVTT, as `vtt_cue` has it."""

    head = "WEBVTT\n\n"

    def __init__(self, shown: EmotionShown, names: Names) -> None:
        super().__init__(tagged=shown in (EmotionShown.SUBTLE, EmotionShown.VOICE))
        self._shown = shown
        self._names = names

    def _written(self, cue: Cue) -> str:
        return vtt_cue(cue, self._shown, self._names)


def _joined(line: Sequence[Piece], written: Callable[[Piece], str]) -> str:
    """The line's words as they are written, with the spaces between them that their texts need."""
    text = ""
    for before, piece in pairwise((None, *line)):
        assert piece is not None
        text += (gap(before.text, piece.text) if before else "") + written(piece)
    return text


def _in_class(name: str, text: str) -> str:
    css_class = re.sub(r"[^a-z]", "", name.lower())
    return f"<c.{css_class}>{text}</c>" if css_class else text


class _Jsonl(_OfSegments):
    """One JSON object a segment and line, with its words, and one for each sound; times in
    seconds."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self._names = names
        self._sounds: dict[tuple[int, str], SoundHeard] = {}
        """Those that go on."""

    def add_sound(self, sound: SoundHeard, open_from: int | None = None) -> str:
        self._sounds.pop((sound.channel, sound.sound), None)
        if sound.end_sample is not None:
            return self._given(sound, open_from)
        self._sounds[sound.channel, sound.sound] = sound
        return ""

    def end(self) -> str:
        return super().end() + "".join(map(self._of_sound, self._sounds.values()))

    def _written(self, segment: Segment) -> str:
        words = [word_dict(word) for word in segment.words]
        return json.dumps(segment_dict(segment, self._names) | {"words": words}) + "\n"

    def _of_sound(self, sound: SoundHeard) -> str:
        return json.dumps(sound_dict(sound, self._names)) + "\n"


class _Txt(_OfSegments):
    """One line of text a segment or sound."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self._naming = Naming(names)

    def add_sound(self, sound: SoundHeard, open_from: int | None = None) -> str:
        return self._given(sound, open_from) if sound.end_sample is None else ""

    def _written(self, segment: Segment) -> str:
        return f"{self._naming.prefix(segment.channel, segment.speaker)}{_one_line(segment.text)}\n"

    def _of_sound(self, sound: SoundHeard) -> str:
        return f"{sound.tag}\n"


def vtt_cue(cue: Cue, shown: EmotionShown, names: Names = NOBODY) -> str:
    """A cue and the empty line behind it, with classes of spans that a page can style: the emotion
    (`<c.happy>`) of all of it, or the volume (`<c.loud>`, `<c.soft>`) of words; and who says it
    (`<v Ada>`), where that is known."""

    def written(piece: Piece) -> str:
        text = _vtt_escape(piece.text)
        by_voice = shown is EmotionShown.VOICE
        return _in_class(volume(piece.loudness_db), text) if by_voice else text

    lines = "\n".join(_joined(line, written) for line in cue.pieces)
    if shown is EmotionShown.FULL:
        lines = _in_class(cue.emotion or "", lines)
    name = names.of(cue.channel, cue.speaker)
    if name is not None:
        lines = f"<v {_vtt_escape(name)}>{lines}"
    return f"{_vtt_time(cue.start_ms)} --> {_vtt_time(cue.end_ms)}\n{lines}\n\n"


def word_dict(word: Word) -> dict[str, Any]:
    """A word with what decided for it, if it had a rival, and what was measured of its voice:
    `loudness` in dB above the speaker's running level, `pitch` in Hz."""
    decision = {} if word.decision is None else {"decision": _rounded(asdict(word.decision))}
    voice: dict[str, float | None] = {}
    if word.voice is not None:
        voice = {"loudness": word.voice.loudness_db, "pitch": word.voice.pitch_hz}
    return {
        "text": word.text,
        "start_s": round(seconds_from_samples(word.start_sample), 3),
        "end_s": round(seconds_from_samples(word.end_sample), 3),
        "confidence": round(word.confidence, 4),
        **decision,
        **{name: value for name, value in voice.items() if value is not None},
    }


def segment_dict(segment: Segment, names: Names = NOBODY) -> dict[str, Any]:
    """A segment without its words; without `emotion` and `speaker` where none was to be told. It
    tells the name of whoever has one."""
    emotion = segment.emotion
    told: dict[str, Any] = {} if emotion is None else {"emotion": emotion_dict(emotion)}
    if segment.speaker is not None:
        told["speaker"] = segment.speaker
    named: dict[str, Any] = {"channel": segment.channel} if names.sides else {}
    if names != NOBODY and (name := names.of(segment.channel, segment.speaker)) is not None:
        named["name"] = name
    return (
        named
        | {
            "start_s": round(seconds_from_samples(segment.start_sample), 3),
            "end_s": round(seconds_from_samples(segment.end_sample), 3),
            "text": segment.text,
        }
        | told
    )


def sound_dict(sound: SoundHeard, names: Names = NOBODY) -> dict[str, Any]:
    """A sound that is no speech; without `end_s` it went on to the end."""
    of_channel: dict[str, Any] = {"channel": sound.channel} if names.sides else {}
    end: dict[str, Any] = {}
    if sound.end_sample is not None:
        end = {"end_s": round(seconds_from_samples(sound.end_sample), 3)}
    start_s = round(seconds_from_samples(sound.start_sample), 3)
    return of_channel | {"sound": sound.sound, "start_s": start_s} | end


def emotion_dict(emotion: Emotion) -> dict[str, Any]:
    arousal = {} if emotion.arousal is None else {"arousal": asdict(emotion.arousal)}
    return {
        "label": emotion.label,
        "probs": {label: round(p, 4) for label, p in emotion.probs.items()},
    } | arousal


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in values.items()}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _vtt_escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt_time(ms: int) -> str:
    return _vtt_time(ms).replace(".", ",")


def _vtt_time(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}"
