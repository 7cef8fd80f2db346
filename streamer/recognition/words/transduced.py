"""Words by a streaming transducer alone."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.audio.clock import samples_from_ms
from streamer.decoding.speech_evidence import EvidenceOptions
from streamer.decoding.transduced import TransducedDecoder, TransducedSpeech
from streamer.decoding.words import RecognizedWord
from streamer.recognition.words.contract import Sound, Told
from streamer.recognition.words.expectation import Expectation
from streamer.runtime.tracing import SpanSink, span


class TransducedWords:
    """See `streamer.recognition.words.contract.SessionWords`."""

    def __init__(
        self, speech: TransducedSpeech, evidence: EvidenceOptions, stages: SpanSink
    ) -> None:
        self._speech, self._evidence, self._stages = speech, evidence, stages

    def begin(self, sound: Sound, start_sample: int, audio_from: int) -> TransducedSegment:
        """See `SessionWords`."""
        decoder = TransducedDecoder(
            self._speech,
            sound.read,
            start_sample,
            audio_from,
            self._evidence,
            sound.probabilities,
        )
        return TransducedSegment(decoder, self._stages)

    def expect(self, expectation: Expectation) -> None:
        """See `SessionWords`. The transducer reads nothing."""


class TransducedSegment:
    """See `streamer.recognition.words.contract.SegmentWords`."""

    def __init__(self, decoder: TransducedDecoder, stages: SpanSink) -> None:
        self._decoder, self._stages = decoder, stages

    @property
    def tentative(self) -> tuple[RecognizedWord, ...]:
        return self._decoder.tentative

    @property
    def committed_end(self) -> int:
        return self._decoder.committed_end

    def step(self, end: int, backlog: int) -> Iterator[Told]:
        """See `SegmentWords`."""
        with span(self._stages, "decode", "asr"):
            self._decoder.hear(end)
        yield self._decoder.commit()

    def pause(self, end: int, backlog: int) -> Iterator[Told]:
        """See `SegmentWords`. What waits for sound is shown as if none came; should speech go on,
        it is heard anew with what follows."""
        if self._decoder.ends_at != end:
            self._hear_end(end, 0)
            yield ()

    def close(self, end: int, silence_ms: float) -> Iterator[Told]:
        """See `SegmentWords`."""
        if self._decoder.ends_at != end:
            self._hear_end(end, samples_from_ms(silence_ms))
        yield self._decoder.finish()

    def sentence_over(self) -> float | None:
        """See `SegmentWords`."""
        return None

    def settle(self) -> Iterator[Told]:
        """See `SegmentWords`."""
        if self._decoder.ends_at is not None:
            yield self._decoder.finish()

    def _hear_end(self, end: int, n_silent: int) -> None:
        with span(self._stages, "decode", "asr"):
            self._decoder.hear_end(end, n_silent)
