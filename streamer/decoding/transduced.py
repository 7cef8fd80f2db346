"""Streaming recognition of one open segment by a transducer, whose tokens stand as they come.

Only the last word may go on; it stands once the next one begins, or the segment ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.decoding.draft import Token
from streamer.decoding.speech_evidence import EvidenceOptions, Probabilities, SpeechEvidence
from streamer.decoding.words import RecognizedWord, timed_words
from streamer.models.card.transducer.contract import (
    FRAME_SAMPLES,
    Heard,
    HearRequest,
    SpokenToken,
    TransducerStream,
)
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES as TOKEN_FRAME_SAMPLES
from streamer.models.moonshine.tokenizer import Tokenizer
from streamer.models.silero import Vad
from streamer.runtime.batcher import Lane

_WORDS_BEFORE: Final = 8
"""That are looked at, with open ones, to tell whether anybody speaks."""


@dataclass(frozen=True)
class TransducedSpeech:
    """What a session asks of a transducer on the engine's threads."""

    tokenizer: Tokenizer
    vad: Vad
    hearings: Lane[HearRequest, Heard]


class TransducedDecoder:
    """One segment. Times are absolute samples."""

    def __init__(
        self,
        speech: TransducedSpeech,
        read: Callable[[int, int], Floats],
        start_sample: int,
        audio_from: int,
        evidence: EvidenceOptions,
        speech_probabilities: Probabilities | None = None,
    ) -> None:
        """
        Args:
            audio_from: where the sound of the segment begins, if before its start: no word is said
                to begin there.
            speech_probabilities: what the speech detector says; None: no word is doubted.
        """
        self._speech, self._read = speech, read
        self._evidence = SpeechEvidence(evidence, speech_probabilities)
        self._stream = TransducerStream()
        self._stream_start = self._heard_until = audio_from
        self._tokens: list[Token] = []
        """Of words that are not committed."""
        self._at_end: list[Token] = []
        """Those that follow if the segment ends where it was looked at last."""
        self._ends_at: int | None = None
        self._committed: list[RecognizedWord] = []
        self._committed_end = start_sample

    @property
    def committed_end(self) -> int:
        """End of the last committed word, or the segment's start."""
        return self._committed_end

    @property
    def ends_at(self) -> int | None:
        """Where `hear_end` ended, if nothing has been heard since."""
        return self._ends_at

    @property
    def tentative(self) -> tuple[RecognizedWord, ...]:
        """The words behind the committed ones that have speech under them."""
        words = self._words()
        return tuple(words[: self._evidence.n_supported(self._committed, words)])

    def hear(self, end: int) -> None:
        """Hear the sound up to `end`, as far as it is whole chunks."""
        self._take(end, None)
        self._ends_at = None

    def hear_end(self, end: int, n_silent: int) -> None:
        """Hear all the sound up to `end`, as if the segment ended there.

        Args:
            n_silent: samples of silence behind it; with some, the segment must end.
        """
        self._take(end, n_silent)
        self._ends_at = end

    def commit(self) -> tuple[RecognizedWord, ...]:
        """Commit all words but the last."""
        return self._commit(max(0, len(self._words()) - 1))

    def finish(self) -> tuple[RecognizedWord, ...]:
        """Commit all words of `hear_end`; sound that follows is heard from there anew."""
        committed = self._commit(len(self._words()))
        self._tokens, self._at_end = [], []
        self._stream, self._stream_start = TransducerStream(), self._heard_until
        return committed

    def _take(self, end: int, n_silent: int | None) -> None:
        samples = np.zeros(0, np.float32)
        if end > self._heard_until:
            samples, self._heard_until = self._read(self._heard_until, end), end
        heard = self._speech.hearings.run(HearRequest(self._stream, samples, n_silent))
        self._tokens += self._placed(heard.tokens)
        self._at_end = self._placed(heard.at_end)

    def _placed(self, tokens: Sequence[SpokenToken]) -> list[Token]:
        return [
            Token(each.id, each.frame * FRAME_SAMPLES // TOKEN_FRAME_SAMPLES, each.logprob)
            for each in tokens
        ]

    def _words(self) -> list[RecognizedWord]:
        return timed_words(
            [*self._tokens, *self._at_end],
            self._speech.tokenizer,
            self._stream_start,
            self._heard_until,
            self._committed_end,
        )

    def _commit(self, count: int) -> tuple[RecognizedWord, ...]:
        words = self._words()
        committed = words[: min(count, self._evidence.n_supported(self._committed, words[:count]))]
        if not committed:
            return ()
        self._committed = [*self._committed, *committed][-_WORDS_BEFORE:]
        self._committed_end = committed[-1].end_sample
        tokens = [*self._tokens, *self._at_end]
        following = words[len(committed) :]
        n_gone = len(tokens)
        if following:
            first = following[0].tokens[0]
            n_gone = next(at for at, token in enumerate(tokens) if token is first)
        n_said = len(self._tokens)
        self._tokens = self._tokens[n_gone:]
        self._at_end = self._at_end[max(0, n_gone - n_said) :]
        return tuple(committed)
