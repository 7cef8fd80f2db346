"""OpenAI's `/v1/audio/transcriptions`: the form's fields, and the answers in every format."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.dialects.common.formatting import emotion_dict, seconds
from streamer.dialects.common.settings import (
    Offer,
    SettingError,
    check_context,
    check_hot_words,
    decoder_for,
    emotion_for,
    language_for,
)
from streamer.dialects.openai.errors import error_dict
from streamer.dialects.openai.realtime_settings import MODELS
from streamer.models.whisper.contract import Task
from streamer.protocol.errors import ProtocolError
from streamer.protocol.joining import joined
from streamer.recognition.contract import SessionOptions
from streamer.recognition.languages import AUTO, NAMES
from streamer.transcript.formats import CaptionFormat, caption_text
from streamer.transcript.ledger import Segment, Word

_FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt")
_GRANULARITIES: Final = frozenset({"word", "segment"})


@dataclass(frozen=True)
class FileSettings:
    """What is wanted of an uploaded file."""

    response_format: str
    words: bool
    segments: bool
    stream: bool
    session: SessionOptions


def read_form(
    fields: Mapping[str, Sequence[str]], offer: Offer, task: Task = "transcribe"
) -> FileSettings:
    """
    Args:
        fields: all values of each text field.
        task: a translation is made from whichever language is spoken, if none is named.

    Raises:
        SettingError: a field is wrong, or asks for what is not to be had here.
    """

    def last(name: str, default: str) -> str:
        return (fields.get(name) or [default])[-1]

    def listed(name: str) -> list[str]:
        return [*fields.get(name, []), *fields.get(f"{name}[]", [])]

    response_format = last("response_format", "json")
    if response_format not in _FORMATS:
        raise SettingError(
            "response_format",
            f"{response_format!r:.40} is not to be had here; use one of {', '.join(_FORMATS)}",
        )
    granularities = set(listed("timestamp_granularities"))
    if granularities - _GRANULARITIES:
        raise SettingError("timestamp_granularities", "use 'word', 'segment', or both")
    if granularities and response_format != "verbose_json":
        raise SettingError("timestamp_granularities", "needs response_format=verbose_json")
    stream = last("stream", "false").lower() in ("true", "1")
    if stream and response_format not in ("json", "text"):
        raise SettingError("stream", "streams text alone; leave response_format out")
    languages = [name for name in (*listed("language"), *listed("languages")) if name]
    if task == "translate" and not languages:
        languages = [AUTO]
    return FileSettings(
        response_format=response_format,
        words="word" in granularities,
        segments="segment" in granularities or not granularities,
        stream=stream,
        session=SessionOptions(
            decoder=decoder_for("model", last("model", "streamer"), MODELS, offer),
            language=language_for("language", languages, offer),
            task=task,
            context=check_context("prompt", last("prompt", "")),
            hot_words=check_hot_words("keywords", listed("keywords")),
            emotion=emotion_for("include", offer, asked="emotion" in listed("include")),
        ),
    )


def answer(
    settings: FileSettings, segments: Sequence[Segment], n_samples: int, language: str
) -> tuple[str, str]:
    """The body in the wanted format, and its media type.

    Args:
        language: that was spoken, by code.
    """
    match settings.response_format:
        case "srt":
            return caption_text(CaptionFormat.SRT, segments), "application/x-subrip"
        case "vtt":
            return caption_text(CaptionFormat.VTT, segments), "text/vtt"
        case "text":
            return full_text(segments) + "\n", "text/plain"
        case "verbose_json":
            return json.dumps(_verbose(settings, segments, n_samples, language)), "application/json"
        case _:
            body = {"text": full_text(segments), "usage": _usage(n_samples)}
            return json.dumps(body), "application/json"


def delta_event(text: str) -> str:
    """A server-sent event with newly committed words."""
    return _event({"type": "transcript.text.delta", "delta": text})


def done_event(segments: Sequence[Segment], n_samples: int) -> str:
    text = full_text(segments)
    return _event({"type": "transcript.text.done", "text": text, "usage": _usage(n_samples)})


def error_event(error: ProtocolError) -> str:
    """For what goes wrong when the answer has begun already."""
    return _event({"error": error_dict(error)})


def full_text(segments: Sequence[Segment]) -> str:
    return joined(segment.text for segment in segments)


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _usage(n_samples: int) -> dict[str, Any]:
    return {"type": "duration", "seconds": seconds(n_samples)}


def _verbose(
    settings: FileSettings, segments: Sequence[Segment], n_samples: int, language: str
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": settings.session.task,
        "language": NAMES.get(language, language),
        "duration": seconds(n_samples),
        "text": full_text(segments),
        "usage": _usage(n_samples),
    }
    if settings.segments:
        emotion = settings.session.emotion
        body["segments"] = [_segment(i, s, emotion=emotion) for i, s in enumerate(segments)]
    if settings.words:
        body["words"] = [_word(word) for segment in segments for word in segment.words]
    return body


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "start": seconds(word.start_sample),
        "end": seconds(word.end_sample),
        "confidence": round(word.confidence, 4),
    }


def _segment(number: int, segment: Segment, *, emotion: bool) -> dict[str, Any]:
    """Whisper's fields. Token ids and the probability of silence are not at hand here: an empty
    list, and 0. `emotion` is ours, for those who asked for it."""
    logprobs = [math.log(max(word.confidence, 1e-9)) for word in segment.words]
    raw = segment.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": seconds(segment.start_sample),
        "end": seconds(segment.end_sample),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(logprobs) / max(1, len(logprobs)), 4),
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 4),
        "no_speech_prob": 0.0,
    } | ({"emotion": emotion_dict(segment.emotion)} if emotion else {})
