from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.decoding.draft import Token
from streamer.decoding.words import timed_words, token_ids
from streamer.models.moonshine.tokenizer import BOS, EOS, FRAME_SAMPLES, Tokenizer
from streamer.models.store.zoo import Zoo
from streamer.recognition.engine import ASR_MODEL
from streamer.transcript.ledger import Ledger

N_FRAMES = 200
TOKENS = st.lists(
    st.builds(
        Token,
        st.one_of(st.integers(0, 32_767), st.sampled_from([BOS, EOS])),
        st.integers(0, N_FRAMES),
        st.floats(-20, 0),
    ),
    max_size=30,
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.read(Path(Zoo().path(ASR_MODEL, "tokenizer.bin")))


def pieces(tokenizer: Tokenizer, *texts: str) -> list[int]:
    """Ids of word pieces; a leading space starts a word."""
    wanted = [text.replace(" ", "\u2581").encode() for text in texts]
    return [tokenizer._pieces.index(piece) for piece in wanted]


@given(
    TOKENS,
    st.integers(0, 10**9),
    st.integers(0, N_FRAMES * FRAME_SAMPLES),
    st.integers(0, N_FRAMES * FRAME_SAMPLES),
)
def test_words_partition_tokens_and_advance_within_the_window(
    tokenizer: Tokenizer, tokens: list[Token], window_start: int, length: int, committed: int
) -> None:
    window_end = window_start + length
    earliest = min(window_start + committed, window_end)
    words = timed_words(tokens, tokenizer, window_start, window_end, earliest)
    times = [time for word in words for time in (word.start_sample, word.end_sample)]
    assert times == sorted(times)
    assert all(earliest <= time <= window_end for time in times)
    assert all(word.text and 0 <= word.confidence <= 1 for word in words)
    if len(words) * FRAME_SAMPLES <= window_end - earliest:
        assert all(word.end_sample - word.start_sample >= FRAME_SAMPLES for word in words)
    # Nothing is lost, doubled or reordered but tokens that stand for no text.
    left = iter(tokens)
    dropped = []
    for token in (token for word in words for token in word.tokens):
        for other in left:
            if other is token:
                break
            dropped.append(other)
        else:
            pytest.fail("a token came out of nowhere")
    dropped.extend(left)
    assert all(not words or not tokenizer.decode([token.id]) for token in dropped)


def test_a_word_begins_at_a_piece_with_the_word_mark(tokenizer: Tokenizer) -> None:
    ids = pieces(tokenizer, " hel", "lo", " world", ".")
    tokens = [Token(id_, frame, -0.5) for id_, frame in zip(ids, (10, 12, 30, 31), strict=True)]
    hello, world = timed_words(tokens, tokenizer, 16_000, 48_000, 16_000)
    assert (hello.text, world.text) == ("hello", "world.")
    assert world.key == "world"
    assert token_ids([hello]) == ids[:2]
    assert hello.start_sample == 16_000 + 10 * FRAME_SAMPLES
    assert hello.end_sample == 16_000 + 12 * FRAME_SAMPLES + 4_800
    assert hello.confidence == pytest.approx(math.exp(-0.5))


def test_a_mark_that_comes_after_its_word_was_committed_is_not_a_word(
    tokenizer: Tokenizer,
) -> None:
    ids = pieces(tokenizer, ",", " hot", ".")
    (hot,) = timed_words([Token(id_, 20, -0.5) for id_ in ids], tokenizer, 0, 48_000, 0)
    assert (hot.text, token_ids([hot])) == ("hot.", ids)
    assert timed_words([Token(ids[0], 20, -0.5)], tokenizer, 0, 48_000, 0) == []


def test_a_closing_mark_does_not_lengthen_its_word(tokenizer: Tokenizer) -> None:
    ids = pieces(tokenizer, " hot", ".")
    (hot,) = timed_words(
        [Token(ids[0], 20, -0.5), Token(ids[1], 90, -0.5)], tokenizer, 0, 48_000, 0
    )
    assert hot.end_sample == 20 * FRAME_SAMPLES + 4_800


def test_a_step_back_in_attention_is_no_step_back_in_time(tokenizer: Tokenizer) -> None:
    ids = pieces(tokenizer, " hello", " world")
    first, second = timed_words(
        [Token(ids[0], 50, 0.0), Token(ids[1], 40, 0.0)], tokenizer, 0, 32_000, 0
    )
    assert first.end_sample <= second.start_sample
    assert second.start_sample >= first.start_sample


def test_the_ledger_gets_the_word_as_it_stands(tokenizer: Tokenizer) -> None:
    (word,) = timed_words([Token(pieces(tokenizer, " Hello")[0], 5, -1.0)], tokenizer, 0, 16_000, 0)
    ledger = Ledger()
    ledger.open(0)
    (made,) = ledger.commit([word])
    assert (made.text, made.start_sample, made.end_sample) == (
        "Hello",
        word.start_sample,
        word.end_sample,
    )
    assert made.confidence == pytest.approx(math.exp(-1))


def test_a_window_that_begins_later_hears_a_word_at_the_same_time(tokenizer: Tokenizer) -> None:
    said = pieces(tokenizer, " hel", "lo", " you")
    tokens = [Token(piece, frame, -0.1) for piece, frame in zip(said, (40, 44, 60), strict=True)]
    words = timed_words(tokens, tokenizer, 0, N_FRAMES * FRAME_SAMPLES, 0)
    kept = [token for word in words for token in word.earlier(30).tokens]
    cut = 30 * FRAME_SAMPLES
    again = timed_words(kept, tokenizer, cut, N_FRAMES * FRAME_SAMPLES, 0)
    assert [(w.text, w.start_sample, w.end_sample) for w in again] == [
        (w.text, w.start_sample, w.end_sample) for w in words
    ]
