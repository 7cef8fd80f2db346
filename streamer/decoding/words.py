"""From tokens to words with times and confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from streamer.decoding.draft import Token
from streamer.decoding.word_times import rising, spread
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES, Tokenizer
from streamer.transcript.ledger import Decision, word_key

_TAIL_SAMPLES = 4_800
"""A token attends to its sound somewhat early: a word ends this long after its last token's
frame, at the latest where the next word starts. On 120 clips the energy of the last word faded
(30 dB below the peak) a median 0.33 s after that frame, and that of the first word rose 0.06 s
after its first token's."""


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """A word on the session clock with the tokens it consists of; see
    `streamer.transcript.ledger.NewWord`."""

    text: str
    tokens: tuple[Token, ...]
    start_sample: int
    end_sample: int
    decision: Decision | None = None
    """None: nothing else was considered."""

    @property
    def confidence(self) -> float:
        """Geometric mean of the tokens' probabilities."""
        return math.exp(sum(token.logprob for token in self.tokens) / len(self.tokens))

    @property
    def key(self) -> str:
        """The word without case and punctuation, for comparing hypotheses."""
        return word_key(self.text)

    def earlier(self, n_frames: int) -> RecognizedWord:
        """The same word in a window that begins so many frames later."""
        tokens = (replace(token, frame=token.frame - n_frames) for token in self.tokens)
        return replace(self, tokens=tuple(tokens))


def token_ids(words: Sequence[RecognizedWord]) -> list[int]:
    return [token.id for word in words for token in word.tokens]


def timed_words(
    tokens: Sequence[Token],
    tokenizer: Tokenizer,
    window_start: int,
    window_end: int,
    earliest: int,
    frame_samples: int = FRAME_SAMPLES,
) -> list[RecognizedWord]:
    """Group tokens into words.

    Args:
        window_start: absolute sample of encoder frame 0.
        window_end: end of the encoded audio.
        earliest: no word starts before this sample (the end of the committed ones).
        frame_samples: samples that a token's frame stands for.
    """
    placed = rising([token.frame for token in tokens])
    # Marks that belong to the last committed word came too late for it. They stay with the next
    # word's tokens, so that the decoder finds its own words again, but not in its text.
    late = 0
    while late < len(tokens) and not (
        tokenizer.starts_word(tokens[late].id) or tokenizer.is_spoken(tokens[late].id)
    ):
        late += 1
    groups: list[list[int]] = []
    for at in range(late, len(tokens)):
        if tokenizer.starts_word(tokens[at].id) or not groups:
            groups.append([])
        groups[-1].append(at)
    texts = [tokenizer.decode([tokens[at].id for at in group]) for group in groups]
    groups = [group for group, text in zip(groups, texts, strict=True) if text]
    texts = [text for text in texts if text]

    begun = [window_start + placed[group[0]] * frame_samples for group in groups]
    starts = spread(begun, earliest, window_end)
    ends = []
    for group, (start, following) in zip(groups, pairwise([*starts, window_end]), strict=True):
        # A closing mark attends to the pause behind the word.
        spoken = [at for at in group if tokenizer.is_spoken(tokens[at].id)] or group
        last = max(placed[at] for at in spoken)
        end = max(window_start + last * frame_samples + _TAIL_SAMPLES, start + frame_samples)
        ends.append(min(end, following))
    if groups:
        groups[0] = [*range(late), *groups[0]]
    return [
        RecognizedWord(text, tuple(tokens[at] for at in group), start, end)
        for text, group, start, end in zip(texts, groups, starts, ends, strict=True)
    ]


def shared_words(alternatives: Sequence[Sequence[RecognizedWord]]) -> int:
    """Length of the beginning that all alternatives share, case and punctuation aside."""
    count = 0
    for column in zip(*alternatives, strict=False):
        if len({word.key for word in column}) > 1:
            break
        count += 1
    return count


def cut_behind(words: Sequence[RecognizedWord], latest: int) -> int | None:
    """The word behind which a window is best cut, at the longest pause; None if no word follows
    another before the sample `latest`."""
    best, best_pause = None, -1
    for index, (word, following) in enumerate(pairwise(words)):
        pause = following.start_sample - word.end_sample
        if following.start_sample <= latest and pause >= best_pause:
            best, best_pause = index, pause
    return best
