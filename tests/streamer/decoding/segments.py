"""One segment of tones in place of speech, fed to its decoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from streamer.audio.arrays import Floats
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.decision.second_listener import SessionListener
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech import SpeechModels
from streamer.decoding.speech_evidence import Probabilities
from streamer.decoding.streaming_decoder import StreamingDecoder
from streamer.decoding.words import RecognizedWord
from streamer.models.moonshine.contract import Audio
from tests.speech_fakes import PreferringFusion, silence, spoken
from tests.speech_models import attend

HOP = 4_096
START = 16_000_000
"""Segments begin late in a session: times must be absolute."""


class Stream:
    """Feeds one segment to a decoder in hops, and checks the contract at every step."""

    def __init__(
        self,
        models: SpeechModels,
        options: DecoderOptions | None = None,
        hot_words: Sequence[str] = (),
        fusion: PreferringFusion | None = None,
        listener: SessionListener | None = None,
        speech_probabilities: Probabilities | None = None,
    ) -> None:
        self.models = models
        self.options = options or DecoderOptions()
        self.fusion = fusion
        expected = HotWords(hot_words, models.tokenizer)
        self.segment = StreamingDecoder(
            models,
            self.options,
            START,
            expected,
            fusion,
            listener=listener,
            read=self._read,
            speech_probabilities=speech_probabilities,
        )
        self._samples = np.zeros(0, np.float32)
        self.committed: list[RecognizedWord] = []
        self.commit_points: list[int] = []
        self.longest_window = 0

    def hops(self, samples: Floats) -> Iterator[int]:
        """Yields the end of each step."""
        self._samples = samples
        for end in range(HOP, len(samples) + 1, HOP):
            self._step(samples, START + end)
            yield START + end

    def _read(self, start: int, end: int) -> Floats:
        return self._samples[start - START : end - START]

    def listen(self, samples: Floats) -> str:
        for _ in self.hops(samples):
            pass
        self.take(self.segment.settle())
        self.decode_end(samples, START + len(samples))
        self.take(self.segment.finish())
        assert self.segment.tentative == ()
        return " ".join(word.text for word in self.committed)

    def decode_end(self, samples: Floats, end: int) -> None:
        audio = self._attend(samples, end)
        self.segment.decode_end(audio, end, fused=self.fusion is not None)
        assert self.segment.end_decoded_at == end

    def pause(self, samples: Floats, end: int) -> None:
        self.decode_end(samples, end)
        self.take(self.segment.commit_at_pause())

    def _attend(self, samples: Floats, end: int) -> Audio:
        window = samples[self.segment.window_start - START : end - START]
        self.longest_window = max(self.longest_window, len(window))
        return attend(self.models, np.append(window, silence(max(0, 1_600 - len(window)))))

    def _step(self, samples: Floats, end: int) -> None:
        audio = self._attend(samples, end)
        self.segment.draft(audio, end)
        if self.segment.waits:
            self.take(self.segment.settle())
            audio = self._attend(samples, end)
            self.segment.draft(audio, end)
        if self.fusion is None:
            committed = self.segment.commit_by_agreement(end)
            guard = self.options.agreement.guard_ms
        elif self.segment.at_commit_point(end):
            self.commit_points.append(end)
            committed = self.segment.commit_by_fusion(audio, end)
            guard = self.options.fused.guard_ms
        else:
            return
        self.take(committed)
        assert all(word.end_sample <= end - guard * 16 for word in committed)

    def take(self, words: tuple[RecognizedWord, ...]) -> None:
        start = self.committed[-1].end_sample if self.committed else START
        for word in (*words, *self.segment.tentative):
            assert start <= word.start_sample <= word.end_sample
            start = word.end_sample
        self.committed.extend(words)
        if self.committed:
            assert self.segment.committed_end == self.committed[-1].end_sample


def tones(words: list[int], rest: float = 0.4) -> Floats:
    return np.concatenate([spoken(words), silence(round(rest * 16_000))])
