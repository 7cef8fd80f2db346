"""A session as Deepgram's live protocol tells it.

Results come in two kinds. An interim one holds all words of the utterance that no final result
held yet, committed and tentative; the next result replaces it. A final one (`is_final`) holds
committed words alone, each once: at the end of every segment, on `Finalize`, and in long
segments every few seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from streamer.audio.clock import ms_from_samples
from streamer.dialects.common.formatting import confidence_of, emotion_dict, seconds, text_of
from streamer.dialects.deepgram.settings import DeepgramSettings
from streamer.session.report import Report
from streamer.transcript.events import (
    AudioLost,
    AudioPaused,
    EmotionUpdate,
    Finalized,
    LanguageChanged,
    SegmentClosed,
    SpeakersUpdate,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Emotion, Word
from streamer.transcript.written.said import said_word

_FINAL_EVERY_MS: Final = 3_000
"""Of committed words; about what Deepgram itself waits."""


@dataclass(frozen=True)
class Flags:
    is_final: bool = False
    speech_final: bool = False
    from_finalize: bool = False


@dataclass
class DeepgramView:
    """Turns reports into messages, as dicts."""

    settings: DeepgramSettings
    request_id: str
    models: dict[str, str]
    channel: int = 0
    _words: list[Word] = field(default_factory=list)
    """Committed, in no final result yet."""
    _tentative: tuple[Word, ...] = ()
    _shown: tuple[tuple[str, str, int | None], ...] = ()
    _final_until: int = 0
    _closing: SegmentClosed | None = None
    """Closed from outside; what comes next says whether `Finalize` was the reason."""
    _emotion: Emotion | None = None
    _last_word_end: int | None = None
    """Of final words, until `UtteranceEnd` told it."""
    _speech_end: int | None = None
    """Of words whose `speech_final` is still to come."""
    _lost_samples: int = 0
    _language: LanguageChanged | None = None
    """Told, where it was to be found out."""

    def on_event(self, report: Report) -> Iterator[dict[str, Any]]:
        event = report.event
        match event:
            case SpeechBegan():
                self._speech_end = None
                if self.settings.vad_events:
                    yield self._speech_started(event)
            case WordsUpdate():
                self._words.extend(event.committed)
                self._tentative = event.tentative
                yield from self._tell_words(report.lag_ms)
            case SpeakersUpdate():
                told = dict(enumerate(event.speakers, event.first_word_id))
                self._words = [
                    replace(word, speaker=told.get(word.id, word.speaker)) for word in self._words
                ]
                yield from self._tell_words(report.lag_ms)
            case SegmentClosed(cause="finalize"):
                self._closing = event
            case SegmentClosed():
                yield from self._close(event, report.lag_ms)
            case Finalized():
                yield from self._finalized(event, report.lag_ms)
            case EmotionUpdate():
                self._emotion = event.emotion
            case LanguageChanged():
                self._language = event
            case AudioLost():
                self._lost_samples += event.n_samples
            case StepDone():
                yield from self._tell_pauses(event.processed_sample, report.lag_ms)
            case AudioPaused():
                yield from self._tell_pauses(event.end_sample, report.lag_ms, for_good=True)

    def on_end(self) -> Iterator[dict[str, Any]]:
        """The last results, if the end of the audio cut a segment short."""
        if self._closing is not None:
            closing, self._closing = self._closing, None
            yield from self._close(closing, 0.0)

    @property
    def lost_samples(self) -> int:
        return self._lost_samples

    def _tell_words(self, lag_ms: float) -> Iterator[dict[str, Any]]:
        if self._words and self._tentative:  # else a pause may follow, whose result wants words
            span = self._words[-1].end_sample - self._words[0].start_sample
            if ms_from_samples(span) >= _FINAL_EVERY_MS:
                yield self._final(self._words[-1].end_sample, Flags(is_final=True), lag_ms)
        words = (*self._words, *self._tentative)
        shown = tuple((word.text, word.state.value, word.speaker) for word in words)
        if self.settings.interim_results and shown and shown != self._shown:
            self._shown = shown
            yield self._results(words, words[-1].end_sample, Flags(), lag_ms)

    def _close(
        self, event: SegmentClosed, lag_ms: float, *, from_finalize: bool = False
    ) -> Iterator[dict[str, Any]]:
        self._tentative = ()
        self._emotion = event.segment.emotion or self._emotion
        paused = event.cause == "silence" and self.settings.endpointing
        if paused and self.settings.speech_final_ms is not None:
            paused = False
            words = event.segment.words
            self._speech_end = words[-1].end_sample if words else None
        flags = Flags(True, paused or from_finalize, from_finalize)
        # What somebody else said behind it is told as the next segment.
        last_id = event.segment.words[-1].id if event.cause == "speaker" else math.inf
        behind = [word for word in self._words if word.id > last_id]
        self._words = [
            replace(word, speaker=event.segment.speaker)
            for word in self._words
            if word.id <= last_id
        ]
        yield self._final(event.segment.end_sample, flags, lag_ms)
        self._words = behind

    def _finalized(self, event: Finalized, lag_ms: float) -> Iterator[dict[str, Any]]:
        self._speech_end = None
        closing, self._closing = self._closing, None
        if closing is not None:
            yield from self._close(closing, lag_ms, from_finalize=True)
        else:  # there was nothing to flush; clients wait for the answer all the same
            yield self._final(event.end_sample, Flags(True, True, True), lag_ms)

    def _final(self, end: int, flags: Flags, lag_ms: float) -> dict[str, Any]:
        words, self._words, self._shown = tuple(self._words), [], ()
        if words:
            self._last_word_end = words[-1].end_sample
        results = self._results(words, end, flags, lag_ms)
        self._final_until = max(self._final_until, end)
        return results

    def _tell_pauses(
        self, until: int, lag_ms: float, *, for_good: bool = False
    ) -> Iterator[dict[str, Any]]:
        """What the silence up to a sample means; `for_good`: no audio comes."""

        def is_over(since: int, pause_ms: float) -> bool:
            return for_good or ms_from_samples(until - since) >= pause_ms

        last, gap_ms = self._end_of_words, self.settings.utterance_end_ms
        if last is not None and gap_ms is not None and is_over(last, gap_ms):
            if self._words:
                yield self._final(last, Flags(is_final=True), lag_ms)
            self._last_word_end = None
            yield {"type": "UtteranceEnd", "channel": self._index, "last_word_end": seconds(last)}
        spoken, pause_ms = self._speech_end, self.settings.speech_final_ms
        if spoken is not None and pause_ms is not None and is_over(spoken, pause_ms):
            self._speech_end = None
            yield self._final(until, Flags(is_final=True, speech_final=True), lag_ms)

    @property
    def _end_of_words(self) -> int | None:
        """Of an utterance whose end was not told; None as long as words are open."""
        if self._tentative or self._closing is not None:
            return None
        return self._words[-1].end_sample if self._words else self._last_word_end

    @property
    def _index(self) -> list[int]:
        return [self.channel, self.settings.n_sessions]

    def _speech_started(self, event: SpeechBegan) -> dict[str, Any]:
        return {
            "type": "SpeechStarted",
            "channel": self._index,
            "timestamp": seconds(event.start_sample),
        }

    def _languages(self) -> dict[str, Any]:
        return {} if self._language is None else {"languages": [self._language.language]}

    def _results(
        self, words: tuple[Word, ...], end: int, flags: Flags, lag_ms: float
    ) -> dict[str, Any]:
        start = self._final_until
        return {
            "type": "Results",
            "channel_index": self._index,
            "start": seconds(start),
            "duration": seconds(max(0, end - start)),
            "is_final": flags.is_final,
            "speech_final": flags.speech_final,
            "from_finalize": flags.from_finalize,
            "channel": {
                "alternatives": [
                    {
                        "transcript": text_of(words),
                        "confidence": confidence_of(words),
                        "words": [word_dict(word) for word in words],
                    }
                    | self._languages()
                ]
            },
            "metadata": {
                "request_id": self.request_id,
                "model_uuid": "",
                "model_info": {
                    "name": self.settings.wanted.model,
                    "version": "",
                    "arch": self.models.get("asr", ""),
                },
            },
            # Ours; Deepgram's clients let them pass.
            "lag_ms": round(lag_ms, 1),
            "lost_ms": round(ms_from_samples(self._lost_samples), 1),
        } | self._feeling()

    def _feeling(self) -> dict[str, Any]:
        """Of those who asked for it."""
        asked = self.settings.wanted.session.emotion
        return {"emotion": emotion_dict(self._emotion)} if asked else {}


def word_dict(word: Word) -> dict[str, Any]:
    """`state` is ours."""
    return {
        "word": said_word(word.text).key,
        "punctuated_word": word.text,
        "start": seconds(word.start_sample),
        "end": seconds(word.end_sample),
        "confidence": round(word.confidence, 4),
        "state": word.state.value,
    } | speaker_dict(word.speaker)


def speaker_dict(speaker: int | None) -> dict[str, int]:
    """Left out where it is not told."""
    return {} if speaker is None else {"speaker": speaker}
