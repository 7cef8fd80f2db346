"""The agreement rule: words are committed once the drafts have agreed on them for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.audio.clock import samples_from_ms
from streamer.decoding.words import RecognizedWord


@dataclass(frozen=True)
class AgreementOptions:
    agree_ms: float = 768
    """A word is committed once the drafts have given it for this much audio."""
    sure_agree_ms: float = 256
    """A sure one already once they have given it for this much."""
    sure_confidence: float = 0.9
    """Sure is a word that is this likely."""
    guard_ms: float = 300
    """Words that rest on the newest audio, this much of it, are not committed."""
    max_open_ms: float = 3_000
    """A word older than this is committed as it is."""


@dataclass(frozen=True, slots=True)
class TentativeWord:
    """A word that is not committed yet."""

    word: RecognizedWord
    since_sample: int
    """End of the window in which it first stood where it stands."""


def aged(
    words: Sequence[RecognizedWord], before: Sequence[TentativeWord], window_end: int
) -> list[TentativeWord]:
    """The words of a new window; one that stands where it stood before keeps its age."""
    since = [
        old.since_sample if word.key == old.word.key else window_end
        for word, old in zip(words, before, strict=False)
    ]
    since += [window_end] * (len(words) - len(since))
    return [TentativeWord(*pair) for pair in zip(words, since, strict=True)]


def n_agreed(
    words: Sequence[TentativeWord], window_end: int, options: AgreementOptions, guard_ms: float
) -> int:
    """How many of the leading words may be committed, never the last.

    Args:
        guard_ms: in place of the options' own.
    """
    latest_since = window_end - samples_from_ms(options.agree_ms)
    sure_since = window_end - samples_from_ms(options.sure_agree_ms)
    newest = window_end - samples_from_ms(guard_ms)
    forced = window_end - samples_from_ms(options.max_open_ms)
    count = 0
    for each in words[:-1]:
        end = each.word.end_sample
        is_sure = each.word.confidence >= options.sure_confidence
        agreed = each.since_sample <= (sure_since if is_sure else latest_since)
        if not (end <= newest and agreed) and end > forced:
            break
        count += 1
    return count
