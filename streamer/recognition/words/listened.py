"""Words by the second listener alone: the way of other languages than English, and of English where
there is none to draft."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.decoding.ear import Ear
from streamer.decoding.listening_decoder import EarOptions, ListeningDecoder
from streamer.decoding.words import RecognizedWord
from streamer.recognition.words.contract import Sound, Told
from streamer.recognition.words.expectation import Expectation


class ListenedWords:
    """See `streamer.recognition.words.contract.SessionWords`."""

    def __init__(self, ear: Ear, options: EarOptions, language: str) -> None:
        """
        Args:
            language: as a code.
        """
        self._ear = ear
        self._options = options
        self._language = language

    def begin(self, sound: Sound, start_sample: int, audio_from: int) -> ListenedSegment:
        """See `SessionWords`."""
        return ListenedSegment(
            ListeningDecoder(
                self._ear,
                self._options,
                self._language,
                sound.read,
                start_sample,
                audio_from,
                sound.probabilities,
            )
        )

    def expect(self, expectation: Expectation) -> None:
        """See `SessionWords`. The listener reads nothing."""


class ListenedSegment:
    """See `streamer.recognition.words.contract.SegmentWords`."""

    def __init__(self, decoder: ListeningDecoder) -> None:
        self._decoder = decoder

    @property
    def tentative(self) -> tuple[RecognizedWord, ...]:
        return self._decoder.tentative

    @property
    def committed_end(self) -> int:
        return self._decoder.committed_end

    def preview(self, end: int) -> None:
        """Renew the tentative words; commit none."""
        self._decoder.hear(end)

    def step(self, end: int, backlog: int) -> Iterator[Told]:
        """See `SegmentWords`."""
        if self._decoder.is_due(end):
            self._decoder.hear(end)
            yield self._decoder.commit(end)

    def pause(self, end: int, backlog: int) -> Iterator[Told]:
        """See `SegmentWords`."""
        if self._decoder.end_heard_at != end:
            self._decoder.hear_end(end)
            yield self._decoder.commit_at_pause()

    def close(self, end: int, silence_ms: float) -> Iterator[Told]:
        """See `SegmentWords`. The listener hears silence behind any sound."""
        if self._decoder.end_heard_at != end:
            self._decoder.hear_end(end)
        yield self._decoder.finish()

    def sentence_over(self) -> float | None:
        """See `SegmentWords`."""
        return None

    def settle(self) -> Iterator[Told]:
        """See `SegmentWords`."""
        if self._decoder.end_heard_at is not None:
            yield self._decoder.finish()
