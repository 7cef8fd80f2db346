from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.models.train.fusion.data import (
    Decision,
    Option,
    errors_of,
    load_decisions,
    role_of,
    save_decisions,
    varied,
)

SAID = ["the", "cat", "sat", "on", "the", "mat"]


def test_errors_against_the_whole_reference() -> None:
    said = ["the cat", "the cat sat on the mat", "a cat"]
    assert errors_of(SAID, [text.split() for text in said], whole=True) == [4, 0, 5]


@pytest.mark.parametrize(
    ("said", "errors"),
    [
        (["the cat", "a cat", "the the cat"], [0, 1, 1]),
        (["the cat", "the cat sat"], [1, 0]),  # heard in the same sound: a word is missing
        (["the cat at", "the cats at"], [1, 2]),
    ],
)
def test_candidates_are_held_against_the_same_beginning(said: list[str], errors: list[int]) -> None:
    assert errors_of(SAID, [text.split() for text in said], whole=False) == errors


def test_decisions_come_back_as_they_were(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    options = (Option("a cat", -1.5, -20.0, 1), Option("the cat", -2.0, -18.0, 0))
    heard = [generator.standard_normal((n, 4)).astype(np.float16) for n in (5, 0)]
    decision = Decision("84", "stream", "Well,\n", "sad", options, *heard)
    alike = Decision("84", "clip", "", "", options[:1] * 2, *heard[::-1])
    save_decisions(tmp_path / "set" / "84-1.npz", [decision, alike])
    first, second = load_decisions(tmp_path / "set" / "84-1.npz")
    assert (first.options, first.context, first.label) == (options, "Well,\n", "sad")
    np.testing.assert_array_equal(first.audio, heard[0])
    assert second.audio.shape == (0, 4)
    assert (first.tells, second.tells) == (True, False)


def test_no_speaker_has_two_roles() -> None:
    assert role_of("librispeech_dev_clean_mp3", "84") == "judge"
    assert role_of("librispeech_dev_clean_mp3", "777") == "dev"
    assert role_of("librispeech_dev_clean_mp3", "1272") == "train"
    roles = [role_of("speechocean762_train", f"001{digit}") for digit in range(10)]
    assert roles == [*["train"] * 7, "dev", "judge", "judge"]


def test_variations_are_seeded_and_keep_the_speech() -> None:
    second = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 440 * second).astype(np.float32)
    for seed in range(8):
        heard = varied(tone, np.random.default_rng(seed))
        assert heard.dtype == np.float32
        assert 0.89 < len(heard) / len(tone) < 1.12
        loudest = np.abs(np.fft.rfft(heard)).argmax() / (len(heard) / 16_000)
        assert 440 * 0.89 < loudest < 440 * 1.11
        np.testing.assert_array_equal(heard, varied(tone, np.random.default_rng(seed)))
