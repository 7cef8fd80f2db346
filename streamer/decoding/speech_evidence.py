"""No words without speech.

Speech decoders find words in music, coughs and silence: "Thank you for watching". What they say
counts only where somebody speaks, as the speech detector hears it or as the decoder is sure of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.audio.clock import samples_from_ms
from streamer.decoding.words import RecognizedWord
from streamer.models.silero import FRAME_SAMPLES

Probabilities = Callable[[int, int], Sequence[float]]
"""Of the frames between two samples, as far as they were heard."""


@dataclass(frozen=True)
class EvidenceOptions:
    surely_speech: float = 0.95
    """A frame at or above this probability is speech beyond doubt. Sounds that pass for speech
    have few; of development speech only what is whispered, and some falsetto, has so few."""
    surely_ms: float = 96
    """Words that have so much of it each, in the mean, are speech. Spoken ones have twice that."""
    sure_confidence: float = 0.8
    """So are words that are so likely in the mean, whatever the detector says."""
    likely: float = 0.4
    """And so are words whose mean likelihood, times the mean probability of speech under them, is
    this much: soft voices are never beyond doubt to the detector."""
    speech_threshold: float = 0.5
    """The last words that stand must have a frame at or above this probability."""
    near_ms: float = 150
    """Or one so near: the times of words are not exact."""


class SpeechEvidence:
    """Whether words have speech under them."""

    def __init__(self, options: EvidenceOptions, probabilities: Probabilities | None) -> None:
        """
        Args:
            probabilities: what the detector said; None: there is none, and no word is doubted.
        """
        self._options = options
        self._probabilities = probabilities

    def n_supported(self, before: Sequence[RecognizedWord], words: Sequence[RecognizedWord]) -> int:
        """How many of the words may stand: none where all that was heard lately may be no speech,
        else all but last ones that have none under them.

        Args:
            before: what stands in front of them in the decoder's window.
        """
        if self._probabilities is None:
            return len(words)
        if not self._is_speech([*before, *words], self._probabilities):
            return 0
        count = len(words)
        while count and not self._has_speech(words[count - 1], self._probabilities):
            count -= 1
        return count

    def _is_speech(self, words: Sequence[RecognizedWord], probabilities: Probabilities) -> bool:
        if not words:
            return False
        options = self._options
        confidence = sum(word.confidence for word in words) / len(words)
        if confidence >= options.sure_confidence:
            return True
        near = samples_from_ms(options.near_ms)
        heard = probabilities(words[0].start_sample - near, words[-1].end_sample + near)
        if confidence * sum(heard) >= options.likely * len(heard) > 0:
            return True
        surely = sum(each >= options.surely_speech for each in heard)
        return surely * FRAME_SAMPLES >= len(words) * samples_from_ms(options.surely_ms)

    def _has_speech(self, word: RecognizedWord, probabilities: Probabilities) -> bool:
        near = samples_from_ms(self._options.near_ms)
        heard = probabilities(word.start_sample - near, word.end_sample + near)
        return max(heard, default=0.0) >= self._options.speech_threshold
