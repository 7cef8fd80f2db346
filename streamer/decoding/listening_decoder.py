"""Streaming recognition of one open segment by the second listener alone.

Every second or so the window is heard anew, behind the words that are committed in it. A word that
two hearings in a row gave, and that does not rest on the newest sound, is committed. When speech
pauses, the open words are heard once more, with a wider search, and are final.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, samples_from_ms
from streamer.decoding.decision.agreement import AgreementOptions, TentativeWord, aged, n_agreed
from streamer.decoding.draft import Token
from streamer.decoding.ear import Ear
from streamer.decoding.loop_guard import loop_start
from streamer.decoding.speech_evidence import EvidenceOptions, Probabilities, SpeechEvidence
from streamer.decoding.word_times import spread
from streamer.decoding.words import RecognizedWord, cut_behind
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES
from streamer.models.whisper.contract import Hearing, TimedWord
from streamer.protocol.joining import joined

_MARKS: Final = ",.!?;:…、。，！？：；"
"""That may come too late for the word they belong to."""
_LEAST_SAMPLES: Final = SAMPLE_RATE // 10
"""Less is not worth hearing."""


@dataclass(frozen=True)
class EarOptions:
    """When a session that hears with the second listener alone hears, and what it believes."""

    hear_every_ms: float = 1_024
    """New audio between two hearings of the open window."""
    beam_width: int = 1
    """Of the search while somebody speaks."""
    end_beam_width: int = 5
    """Of the search at a pause, and at the end."""
    max_window_ms: float = 9_000
    """The window is cut when it grows beyond this."""
    kept_window_ms: float = 4_000
    """What a cut leaves at least."""
    no_speech: float = 0.6
    """Where it is likelier than this that nobody speaks, and the words are unlikely, there are
    none."""
    least_logprob: float = -1.0
    """Unlikely are words with less, in nats a token."""
    evidence: EvidenceOptions = field(default_factory=EvidenceOptions)
    agreement: AgreementOptions = field(
        default_factory=lambda: AgreementOptions(
            agree_ms=768, sure_agree_ms=768, guard_ms=600, max_open_ms=6_000
        )
    )


class ListeningDecoder:
    """One segment, in one language. Times are absolute samples."""

    def __init__(
        self,
        ear: Ear,
        options: EarOptions,
        language: str,
        read: Callable[[int, int], Floats],
        start_sample: int,
        audio_from: int,
        speech_probabilities: Probabilities | None = None,
    ) -> None:
        """
        Args:
            language: as a code.
            speech_probabilities: what the speech detector says; None: no word is doubted.
            audio_from: where the sound of the segment begins, if before its start: no word is said
                to begin there.
        """
        self._ear = ear
        self._options = options
        self._language = language
        self._read = read
        self._evidence = SpeechEvidence(options.evidence, speech_probabilities)
        self._window_start = audio_from
        self._committed: list[RecognizedWord] = []
        """Those inside the window."""
        self._committed_end = start_sample
        self._tentative: list[TentativeWord] = []
        self._heard_until = audio_from
        self._end_heard_at: int | None = None
        self._reliable = True
        """Whether the newest hearing came to an end without repeating itself."""

    @property
    def committed_end(self) -> int:
        """End of the last committed word, or the segment's start."""
        return self._committed_end

    @property
    def end_heard_at(self) -> int | None:
        """Where `hear_end` ended, if nothing has been heard since."""
        return self._end_heard_at

    @property
    def tentative(self) -> tuple[RecognizedWord, ...]:
        """The words behind the committed ones that have speech under them."""
        words = [each.word for each in self._tentative]
        return tuple(words[: self._evidence.n_supported(self._committed, words)])

    def is_due(self, end: int) -> bool:
        """Whether there is enough new sound to hear it."""
        return end - self._heard_until >= samples_from_ms(self._options.hear_every_ms)

    def hear(self, end: int) -> None:
        """Renew the tentative words on the sound up to `end`."""
        self._cut(end)
        self._take(self._words(end, self._options.beam_width), end)
        self._end_heard_at = None

    def commit(self, end: int) -> tuple[RecognizedWord, ...]:
        """Commit the words that two hearings agree on."""
        if not self._reliable:
            return ()
        rule = self._options.agreement
        return self._commit(n_agreed(self._tentative, end, rule, rule.guard_ms))

    def hear_end(self, end: int) -> None:
        """Speech pauses or ends at `end`: the words as they would stand for good."""
        words = self._words(end, self._options.end_beam_width)
        if not self._reliable and self._window_start < self._committed_end:
            # What comes before may have led it astray.
            self._move_window(self._committed_end)
            words = self._words(end, self._options.end_beam_width)
        self._take(words, end)
        self._end_heard_at = end

    def commit_at_pause(self) -> tuple[RecognizedWord, ...]:
        """Commit the words of `hear_end` but for the last, whose marks speech that goes on may
        still change."""
        return self._commit(max(0, len(self._tentative) - 1))

    def finish(self) -> tuple[RecognizedWord, ...]:
        """The segment ends: commit the words of `hear_end`."""
        return self._commit(len(self._tentative))

    def _words(self, end: int, beam_width: int) -> list[RecognizedWord] | None:
        """What is said behind the committed words; None if the listener came to no end."""
        self._heard_until = end
        self._reliable = True
        if end - self._window_start < _LEAST_SAMPLES:
            return []
        samples = self._read(self._window_start, end)
        said = joined(word.text for word in self._committed)
        hearing = self._ear.hear(samples, self._language, said, beam_width)
        if not hearing.hypotheses:
            self._reliable = False
            return None
        text = hearing.hypotheses[0].text.lstrip(_MARKS if self._committed else "").strip()
        if not text or self._is_silent(hearing):
            return []
        return self._without_loop(self._placed(self._ear.times(hearing, text), end))

    def _is_silent(self, hearing: Hearing) -> bool:
        likeliest = hearing.hypotheses[0]
        logprob = likeliest.logprob / (len(likeliest.tokens) + 1)
        options = self._options
        return hearing.no_speech > options.no_speech and logprob < options.least_logprob

    def _placed(self, timed: Sequence[TimedWord], end: int) -> list[RecognizedWord]:
        """On the session clock. A word is its own token: the loop guard compares words."""
        timed = [word for word in timed if word.text]
        begun = [self._window_start + round(word.start_s * SAMPLE_RATE) for word in timed]
        starts = spread(begun, self._committed_end, end)
        ids: dict[str, int] = {}
        words = []
        for word, start, latest in zip(timed, starts, [*starts[1:], end], strict=True):
            stop = self._window_start + round(word.end_s * SAMPLE_RATE)
            stop = min(max(stop, start + FRAME_SAMPLES), max(start, latest))
            number = ids.setdefault(word.text.lower(), len(ids))
            token = Token(number, start // FRAME_SAMPLES, math.log(max(word.probability, 1e-9)))
            words.append(RecognizedWord(word.text, (token,), start, stop))
        return words

    def _without_loop(self, words: list[RecognizedWord]) -> list[RecognizedWord]:
        loop = loop_start([token for word in words for token in word.tokens])
        self._reliable = loop is None
        return words[:loop]

    def _take(self, words: Sequence[RecognizedWord] | None, end: int) -> None:
        """None leaves the words as they are."""
        if words is not None:
            self._tentative = aged(words, self._tentative, end)

    def _commit(self, count: int) -> tuple[RecognizedWord, ...]:
        words = [each.word for each in self._tentative[:count]]
        committed = tuple(words[: self._evidence.n_supported(self._committed, words)])
        if committed:
            self._committed.extend(committed)
            self._committed_end = committed[-1].end_sample
        del self._tentative[: len(committed)]
        return committed

    def _cut(self, end: int) -> None:
        """Drop sound and words that are no longer needed, at the longest pause; sound without
        words to cut behind once nothing else helps."""
        options = self._options
        length = end - self._window_start
        if length <= samples_from_ms(options.max_window_ms):
            return
        latest = end - samples_from_ms(options.kept_window_ms)
        best = cut_behind(self._committed, latest)
        if best is not None:
            behind, before = self._committed[best : best + 2]
            self._window_start = (behind.end_sample + before.start_sample) // 2
            del self._committed[: best + 1]
        elif length > samples_from_ms(options.max_window_ms + options.agreement.max_open_ms):
            self._move_window(max(latest, self._committed_end))

    def _move_window(self, to_sample: int) -> None:
        """Forget what was said before."""
        self._window_start = to_sample
        self._committed_end = max(self._committed_end, to_sample)
        self._committed = []
