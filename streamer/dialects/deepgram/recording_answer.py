"""What Deepgram answers to a recording."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from streamer.dialects.common.formatting import (
    confidence_of,
    emotion_dict,
    seconds,
    text_of,
    utc_text,
)
from streamer.dialects.common.models import name_of
from streamer.dialects.deepgram.recording_settings import RecordingSettings
from streamer.dialects.deepgram.view import speaker_dict, word_dict
from streamer.transcript.events import LanguageChanged
from streamer.transcript.ledger import Segment, Word
from streamer.transcript.phrases import ends_sentence


@dataclass
class Heard:
    """Of one channel, or of all mixed."""

    segments: list[Segment] = field(default_factory=list)
    language: LanguageChanged | None = None
    """Told, where it was to be found out."""

    @property
    def words(self) -> list[Word]:
        return [word for segment in self.segments for word in segment.words]


@dataclass(frozen=True)
class RecordingAnswer:
    """One request's."""

    settings: RecordingSettings
    request_id: str
    created: datetime
    sha256: str
    """Of the body."""
    n_channels: int
    """In the recording."""

    def body(
        self, channels: Sequence[Heard], n_samples: int, models: dict[str, str]
    ) -> dict[str, Any]:
        """
        Args:
            n_samples: of each channel, at 16 kHz.
            models: role to name.
        """
        results: dict[str, Any] = {"channels": [self._channel(heard) for heard in channels]}
        if self.settings.utterances:
            results["utterances"] = self._utterances(channels)
        return {"metadata": self._metadata(n_samples, models), "results": results}

    def _metadata(self, n_samples: int, models: dict[str, str]) -> dict[str, Any]:
        wanted = self.settings.wanted
        model = name_of(wanted.session.decoder)
        info = {"name": wanted.model, "version": "", "arch": models.get("asr", "")}
        return {
            "transaction_key": "deprecated",
            "request_id": self.request_id,
            "sha256": self.sha256,
            "created": utc_text(self.created),
            "duration": seconds(n_samples),
            "channels": self.n_channels,
            "models": [model],
            "model_info": {model: info},
            "warnings": list(wanted.warnings),  # ours
        }

    def _channel(self, heard: Heard) -> dict[str, Any]:
        words = heard.words
        alternative: dict[str, Any] = {
            "transcript": text_of(words),
            "confidence": confidence_of(words),
            "words": [word_dict(word) for word in words],
        }
        if self.settings.paragraphs:
            alternative["paragraphs"] = _paragraphs(heard.segments)
        channel: dict[str, Any] = {"alternatives": [alternative]}
        if heard.language is not None:
            alternative["languages"] = [heard.language.language]
            if self.settings.language_detected:
                channel["detected_language"] = heard.language.language
                channel["language_confidence"] = round(heard.language.probability, 4)
        return channel

    def _utterances(self, channels: Sequence[Heard]) -> list[dict[str, Any]]:
        told = [
            (segment, channel)
            for channel, heard in enumerate(channels)
            for segment in heard.segments
        ]
        return [
            {
                "start": seconds(segment.words[0].start_sample),
                "end": seconds(segment.words[-1].end_sample),
                "confidence": confidence_of(segment.words),
                "channel": channel,
                "transcript": segment.text,
                "words": [word_dict(word) for word in segment.words],
                "id": str(uuid.uuid4()),
            }
            | speaker_dict(segment.speaker)
            | self._feeling(segment)
            for segment, channel in sorted(told, key=lambda one: one[0].words[0].start_sample)
        ]

    def _feeling(self, segment: Segment) -> dict[str, Any]:
        """Ours, for those who asked for it."""
        asked = self.settings.wanted.session.emotion
        return {"emotion": emotion_dict(segment.emotion)} if asked else {}


def _paragraphs(segments: Sequence[Segment]) -> dict[str, Any]:
    """Each segment is one: a pause was before it."""
    told = [
        {
            "sentences": [
                {
                    "text": text_of(sentence),
                    "start": seconds(sentence[0].start_sample),
                    "end": seconds(sentence[-1].end_sample),
                }
                for sentence in _sentences(segment.words)
            ],
            "num_words": len(segment.words),
            "start": seconds(segment.words[0].start_sample),
            "end": seconds(segment.words[-1].end_sample),
        }
        | speaker_dict(segment.speaker)
        for segment in segments
    ]
    return {"transcript": "\n\n".join(s.text for s in segments), "paragraphs": told}


def _sentences(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    start = 0
    for at, word in enumerate(words, 1):
        if ends_sentence(word.text) or at == len(words):
            yield words[start:at]
            start = at
