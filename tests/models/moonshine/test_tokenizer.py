from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine.tokenizer import BOS, EOS, Tokenizer
from streamer.models.store.zoo import Zoo
from streamer.recognition.engine import ASR_MODEL
from streamer.transcript.wer import word_errors
from tests.speech_models import Clip, attend, greedy, offline


def test_the_tokenizer_has_all_pieces_and_spells_a_transcript(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    tokenizer = speech_models.tokenizer
    assert len(tokenizer) == 32_768
    clip = next(clip for clip in clips if clip.name.startswith("1029_WSI"))
    tokens = greedy(speech_models, attend(speech_models, clip.samples))
    assert word_errors(clip.text, tokenizer.decode(tokens)).errors == 0
    assert tokenizer.decode([BOS, *tokens, EOS]) == tokenizer.decode(tokens)
    assert tokenizer.starts_word(tokens[0])
    n_starts = sum(tokenizer.starts_word(token) for token in tokens)
    assert n_starts == len(tokenizer.decode(tokens).split())


def test_pieces_may_be_long_control_tokens_or_single_bytes(tmp_path: Path) -> None:
    long_piece = b"x" * 300
    pieces = [b"<unk>", "\u2581hi".encode(), b"<0xC3>", b"<0xA9>", long_piece, b"<>", b"<"]
    data = b""
    for piece in pieces:
        size = len(piece)
        # Lengths of 128 and more take two bytes.
        head = [size] if size < 128 else [size % 128 + 128, size // 128]
        data += bytes(head) + piece
    (tmp_path / "tokenizer.bin").write_bytes(data)
    tokenizer = Tokenizer.read(tmp_path / "tokenizer.bin")
    assert len(tokenizer) == len(pieces)
    assert tokenizer.decode([0, 1, 2, 3]) == "hi\u00e9"
    assert tokenizer.decode([4]) == long_piece.decode()
    assert tokenizer.decode([2]) == "\ufffd"  # half a character
    assert tokenizer.decode([5, 6]) == "<><"
    assert [tokenizer.starts_word(i) for i in range(3)] == [False, True, False]


@pytest.mark.slow
def test_the_bundled_speech_is_understood(speech_models: SpeechModels, clips: list[Clip]) -> None:
    errors = [word_errors(clip.text, offline(speech_models, clip.samples)) for clip in clips]
    assert sum(errors[1:], errors[0]).rate < 0.12


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.read(Zoo().path(ASR_MODEL, "tokenizer.bin"))


def test_words_of_scripts_without_spaces_are_their_characters() -> None:
    pieces = [
        "\u2581",
        "\u2581go",
        "od",
        "\u6771",
        "\u4eac\u3067",
        "\u3002",
        "\ud55c",
        "<0xE6>",
        "<0x9D>",
    ]
    tokenizer = Tokenizer([piece.encode() for piece in pieces])
    starts = [pieces[i] for i in range(len(pieces)) if tokenizer.starts_word(i)]
    assert starts == ["\u2581", "\u2581go", "\u6771", "\u4eac\u3067", "<0xE6>"]


@given(words=st.lists(st.text("abcdeXYZé'.東", min_size=1, max_size=8), max_size=4))
def test_encoded_text_decodes_to_itself(tokenizer: Tokenizer, words: list[str]) -> None:
    assert tokenizer.decode(tokenizer.encode(" ".join(words))) == " ".join(words)


def test_text_is_encoded_as_the_decoder_gives_it(
    speech_models: SpeechModels, clips: list[Clip], tokenizer: Tokenizer
) -> None:
    for clip in clips[:4]:
        tokens = greedy(speech_models, attend(speech_models, clip.samples))
        assert tokenizer.encode(tokenizer.decode(tokens)) == tokens
