from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.moonshine import BOS, EOS, FRAME_SAMPLES, MIN_SAMPLES, Tokenizer
from streamer.recognizer import SpeechModels
from streamer.wer import word_errors
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
    tokenizer = Tokenizer(tmp_path / "tokenizer.bin")
    assert len(tokenizer) == len(pieces)
    assert tokenizer.decode([0, 1, 2, 3]) == "hi\u00e9"
    assert tokenizer.decode([4]) == long_piece.decode()
    assert tokenizer.decode([2]) == "\ufffd"  # half a character
    assert tokenizer.decode([5, 6]) == "<><"
    assert [tokenizer.starts_word(i) for i in range(3)] == [False, True, False]


def test_too_little_audio_is_refused(speech_models: SpeechModels) -> None:
    with pytest.raises(ValueError, match="1599 samples are too few"):
        speech_models.encoder.encode(np.zeros(MIN_SAMPLES - 1, np.float32))
    assert speech_models.encoder.encode(np.zeros(MIN_SAMPLES, np.float32)).shape[2] == 288


def test_alignment_follows_the_speech(speech_models: SpeechModels, clips: list[Clip]) -> None:
    clip = clips[-1]
    audio = attend(speech_models, clip.samples)
    tokens = greedy(speech_models, audio)
    out = speech_models.decoder.run(
        audio, np.array([[BOS, *tokens]], np.int64), speech_models.decoder.empty_cache()
    )
    # The attention with which a token was predicted stands at the position before it.
    frames = out.alignment[0, :-1].argmax(-1)
    ranks = np.argsort(np.argsort(frames, kind="stable"))
    assert np.corrcoef(np.arange(len(frames)), ranks)[0, 1] > 0.99
    assert audio.n_frames == pytest.approx(len(clip.samples) / FRAME_SAMPLES, abs=3)
    assert frames[-1] > 0.8 * audio.n_frames


def test_hypotheses_in_a_batch_do_not_touch_each_other(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    audio = attend(speech_models, clips[0].samples)
    decoder = speech_models.decoder
    rows = [[BOS, 100, 200], [BOS, 300, 400]]
    together = decoder.run(audio, np.array(rows, np.int64), decoder.empty_cache(2))
    for i, row in enumerate(rows):
        alone = decoder.run(audio, np.array([row], np.int64), decoder.empty_cache())
        # Activations are quantized over the whole batch, so not to the last bit.
        apart = np.abs(together.logits[i] - alone.logits[0]).mean()
        assert apart < 0.05 * np.abs(alone.logits[0]).mean() + 0.1


@pytest.mark.slow
def test_the_bundled_speech_is_understood(speech_models: SpeechModels, clips: list[Clip]) -> None:
    errors = [word_errors(clip.text, offline(speech_models, clip.samples)) for clip in clips]
    assert sum(errors[1:], errors[0]).rate < 0.12
