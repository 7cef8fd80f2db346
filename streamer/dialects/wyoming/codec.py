"""The Wyoming protocol (Home Assistant's): JSON lines with a payload, over TCP.

An event is a line of JSON `{type, data?, data_length?, payload_length?}`, then `data_length` bytes
of JSON that add to its data, then `payload_length` bytes. Audio from `audio-start` to `audio-stop`
is one session; a connection may hold several, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from streamer.audio.pcm import SampleFormat, SampleReader
from streamer.dialects.common.dialect import Action, EndSession, Send, StartSession, audio_from
from streamer.dialects.common.formatting import emotion_dict, text_of
from streamer.dialects.common.models import BEST, OWN_MODELS, decoder_for, name_of, offered_models
from streamer.dialects.common.settings import (
    Offer,
    SettingError,
    check_hot_words,
    check_rate,
    emotion_for,
    is_whole,
    language_for,
    text_of_setting,
    texts_of_setting,
    without_empty,
)
from streamer.protocol.errors import ProtocolError
from streamer.protocol.joining import gap
from streamer.protocol.messages import ErrorCode
from streamer.protocol.strict_json import StrictJsonError, read_object
from streamer.recognition.contract import SessionOptions
from streamer.recognition.languages import ENGLISH
from streamer.session.report import Report
from streamer.transcript.events import LanguageChanged, SegmentClosed, WordsUpdate
from streamer.transcript.formats import segment_dict
from streamer.transcript.ledger import Segment

_FORMATS: Final = {1: SampleFormat.U8, 2: SampleFormat.LINEAR16, 4: SampleFormat.LINEAR32}
_MAX_CHANNELS: Final = 8
MAX_JSON_BYTES: Final = 65_536
"""Of an event's first line, and of the data behind it."""


@dataclass(frozen=True)
class Event:
    """What arrived, or will be sent without a payload."""

    type: str
    data: dict[str, Any]
    payload: bytes = b""


def lengths(line: bytes) -> int:
    """How many bytes follow an event's first line. Raises ProtocolError."""
    header = _parse(line)
    data_length = _length(header, "data_length")
    if data_length > MAX_JSON_BYTES:
        raise ProtocolError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"data of {data_length} bytes; send at most {MAX_JSON_BYTES} bytes, audio as payload",
        )
    return data_length + _length(header, "payload_length")


def decode(frame: bytes) -> Event:
    """Raises ProtocolError."""
    line, _, rest = frame.partition(b"\n")
    header = _parse(line)
    data_length = _length(header, "data_length")
    data = header.get("data") or {}
    more = _parse(rest[:data_length]) if data_length else {}
    kind = header.get("type")
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise _malformed("type must be a string, data an object")
    return Event(kind, {**data, **more}, rest[data_length:])


def encode(event: Event) -> str:
    """A line, with the data in it; its line end is left to the socket."""
    return json.dumps({"type": event.type, "data": event.data})


class WyomingDialect:
    """One connection."""

    def __init__(self, offer: Offer, models: dict[str, str], version: str) -> None:
        """`version`: the program's."""
        self._offer = offer
        self._models = models
        self._version = version
        self._wanted = SessionOptions(decoder=offer.decoder, language=offer.language, emotion=False)
        self._language = offer.language
        self._warnings: tuple[str, ...] = ()
        self._samples: SampleReader | None = None
        self._format: tuple[int, int, int] | None = None
        self._text = ""
        self._segments: list[Segment] = []

    def on_connect(self) -> Iterator[Action]:
        yield from ()

    def on_message(self, message: str | bytes) -> Iterator[Action]:
        event = decode(message.encode() if isinstance(message, str) else message)
        match event.type:
            case "describe":
                yield Send(encode(Event("info", {"asr": [self._program()]})))
            case "ping":
                yield Send(encode(Event("pong", event.data)))
            case "transcribe":
                self._wanted = self._options(event.data)
                self._language = self._wanted.language or ENGLISH
            case "audio-start":
                yield self._begin(event.data)
            case "audio-chunk":
                if self._format != _audio_format(event.data):
                    yield self._begin(event.data)
                assert self._samples is not None
                yield audio_from(self._samples, event.payload)
            case "audio-stop":
                if self._samples is None:
                    raise _malformed("audio-stop came without audio before it; send audio-start")
                self._samples = self._format = None
                yield EndSession()
            case _:
                pass  # servers drop what they do not know

    def on_event(self, report: Report, channel: int) -> Iterator[str]:
        event = report.event
        if isinstance(event, WordsUpdate) and event.committed:
            text = text_of(event.committed)
            if not self._text:
                yield encode(Event("transcript-start", {"language": self._language}))
            else:
                text = gap(self._text, text) + text
            self._text += text
            lag_ms = round(report.lag_ms, 1)  # ours, as emotion and segments below
            yield encode(Event("transcript-chunk", {"text": text, "lag_ms": lag_ms}))
        elif isinstance(event, LanguageChanged):
            self._language = event.language
        elif isinstance(event, SegmentClosed) and event.segment.words:
            self._segments.append(event.segment)

    def on_end(self, received_samples: int) -> Iterator[str]:
        text, self._text = self._text, ""
        segments, self._segments = self._segments, []
        if not text:
            yield encode(Event("transcript-start", {"language": self._language}))
        longest = max(segments, key=lambda segment: len(segment.words), default=None)
        data: dict[str, Any] = {
            "text": text,
            "language": self._language,
            # Ours; Wyoming's clients let it pass, and the emotion of those who asked for it.
            "model": name_of(self._wanted.decoder),
            "warnings": list(self._warnings),
            "segments": [segment_dict(segment) for segment in segments],
        }
        if self._wanted.emotion:
            data["emotion"] = emotion_dict(longest.emotion if longest else None)
        yield encode(Event("transcript", data))
        yield encode(Event("transcript-stop", {}))

    def on_error(self, error: ProtocolError) -> Iterator[str]:
        yield encode(Event("error", {"text": error.message, "code": error.code.value}))

    def close_code(self, error: ProtocolError) -> int:
        return error.close_code

    def _options(self, data: dict[str, Any]) -> SessionOptions:
        model = text_of_setting("name", data.get("name"), BEST)
        language = text_of_setting("language", data.get("language"), "")
        names, terms = "transcript_names", "transcript_terms"
        hot_words, self._warnings = without_empty(
            f"{names}, {terms}",
            [name for key in (names, terms) for name in texts_of_setting(key, data.get(key))],
        )
        return SessionOptions(
            decoder=decoder_for("name", model, self._offer),
            language=language_for("language", [language] if language else [], self._offer),
            hot_words=check_hot_words(names, hot_words),
            emotion=emotion_for("emotion", self._offer, asked=data.get("emotion") is True),
        )

    def _begin(self, data: dict[str, Any]) -> Action:
        self._format = rate, width, channels = _audio_format(data)
        self._samples = SampleReader(_FORMATS[width], channels)
        return StartSession(rate, self._wanted)

    def _program(self) -> dict[str, Any]:
        about = {
            "attribution": {"name": "streamer", "url": ""},
            "installed": True,
            "version": self._version,
        }
        models = [
            {
                "name": name,
                "description": (
                    f"{self._models.get('asr', '')}, {OWN_MODELS[name] or 'best'} decoder"
                ),
                "languages": sorted(self._offer.languages),
                **about,
            }
            for name in offered_models(self._offer)
        ]
        return {
            "name": "streamer",
            "description": "Live captions with the emotion of the voice",
            "models": models,
            "supports_transcript_streaming": True,
            "requires_external_vad": False,
            **about,
        }


def _audio_format(data: dict[str, Any]) -> tuple[int, int, int]:
    """Rate, width in bytes, channels. Raises SettingError."""
    rate, width, channels = (data.get(name) for name in ("rate", "width", "channels"))
    if not (is_whole(rate) and is_whole(width) and is_whole(channels)):
        raise SettingError("rate, width, channels", "all three must be whole numbers")
    if width not in _FORMATS:
        raise SettingError("width", f"samples of {width} bytes are not read; use 2")
    if not 1 <= channels <= _MAX_CHANNELS:
        raise SettingError("channels", f"{channels} is out of range; use 1")
    return check_rate("rate", rate), width, channels


def _length(header: dict[str, Any], name: str) -> int:
    length = header.get(name)
    if length is None:
        return 0
    if not is_whole(length) or length < 0:
        raise _malformed(f"{name} must be a whole number of bytes")
    return length


def _parse(text: bytes) -> dict[str, Any]:
    try:
        return read_object(text)
    except StrictJsonError as error:
        raise _malformed(
            f"expected a JSON object, as the header line of an event or as its data; this {error}"
        ) from error


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(ErrorCode.BAD_MESSAGE, what)
