from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.train.emotion.augment import AugmentConfig, Augmenter
from streamer.models.train.emotion.data import (
    CREMA_D,
    DEV_SPEAKERS,
    TEST_SPEAKERS,
    Clip,
    fixed_windows,
    opening_windows,
    read_manifest,
    split_speakers,
)

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"


def clips(count: int = 4, seconds: float = 2.0) -> list[Clip]:
    rng = np.random.default_rng(0)
    length = int(seconds * SAMPLE_RATE)
    return [
        Clip((0.1 * rng.standard_normal(length)).astype(np.float32), i % 6, "a")
        for i in range(count)
    ]


def test_no_speaker_is_shared() -> None:
    assert len(set(DEV_SPEAKERS)) == len(set(TEST_SPEAKERS)) == 10
    assert not set(DEV_SPEAKERS) & set(TEST_SPEAKERS)


def test_the_lists_are_the_seeded_shuffle() -> None:
    if not (DATA / CREMA_D).is_dir():
        pytest.skip("CREMA-D is not beside the repository (../shared/data/emotion/crema_d)")
    speakers = [row["speaker"] for row in read_manifest(DATA / CREMA_D)]
    assert split_speakers(speakers) == (DEV_SPEAKERS, TEST_SPEAKERS)


def test_too_few_speakers_are_refused() -> None:
    with pytest.raises(ValueError, match="3 speakers cannot give"):
        split_speakers(["a", "b", "c"], 2, 1)


def test_a_missing_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is --data right"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("seconds", [0.3, 2.0, 6.0])
def test_batches_have_one_length_and_targets_that_sum_to_one(seconds: float) -> None:
    augmenter = Augmenter(
        AugmentConfig(mixup=1.0, reverb=1.0, noise=1.0, telephone=1.0, codec=1.0), 0
    )
    for _ in range(5):
        samples, target = augmenter.batch(clips(seconds=seconds))
        assert samples.shape[0] == 4
        assert 1.0 * SAMPLE_RATE <= samples.shape[1] <= 3.5 * SAMPLE_RATE
        assert bool(samples.isfinite().all())
        assert target.sum(dim=1).tolist() == pytest.approx([1, 1, 1, 1], abs=1e-6)


def test_the_seed_decides() -> None:
    one, _ = Augmenter(AugmentConfig(), 5).batch(clips())
    two, _ = Augmenter(AugmentConfig(), 5).batch(clips())
    other, _ = Augmenter(AugmentConfig(), 6).batch(clips())
    assert one.equal(two)
    assert not one.equal(other)


def test_band_limits_take_the_top_away() -> None:
    config = AugmentConfig(band_limit=1, noise=0, reverb=0, notch=0, telephone=0, mixup=0, codec=0)
    samples, _ = Augmenter(config, 0).batch(clips())
    spectrum = np.abs(np.fft.rfft(samples.numpy(), axis=1))
    hertz = np.fft.rfftfreq(samples.shape[1], 1 / SAMPLE_RATE)
    assert spectrum[:, hertz > 7_000].mean() < 0.02 * spectrum[:, hertz < 2_000].mean()


def test_noise_alone_is_taught_as_no_emotion() -> None:
    _, shares = Augmenter(AugmentConfig(mixup=0, noise_only=1), 0).batch(clips())
    assert shares[0].tolist() == pytest.approx([1 / 6] * 6)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_clips_are_now_and_then_heard_as_a_browser_has_them(share: float) -> None:
    config = AugmentConfig(
        cleaned=share, band_limit=0, noise=0, reverb=0, notch=0, mixup=0, codec=0
    )
    still = [replace(clip, cleaned=np.zeros_like(clip.samples)) for clip in clips(200)]
    samples, _ = Augmenter(config, 0).batch(still)
    assert (samples == 0).all(dim=1).float().mean().item() == pytest.approx(share, abs=0.1)
    samples, _ = Augmenter(config, 0).batch(clips(20))
    assert not bool((samples == 0).all(dim=1).any())


def test_mp3_keeps_the_length_and_changes_the_sound() -> None:
    silent = AugmentConfig(band_limit=0, noise=0, reverb=0, notch=0, mixup=0, eq_db=0)
    plain, _ = Augmenter(replace(silent, codec=0), 3).batch(clips(1))
    coded, _ = Augmenter(replace(silent, codec=1), 3).batch(clips(1))
    assert plain.shape == coded.shape
    assert not torch.allclose(plain, coded, atol=0.01)


def test_masks_blank_at_most_two_spans() -> None:
    keep = Augmenter(AugmentConfig(time_mask=0.2), 0).keep_mask(50, 100)
    assert keep.shape == (50, 100)
    assert keep.sum(dim=1).min().item() >= 0.6 * 100
    assert keep.min().item() == 0


def test_fixed_windows_take_the_middle_or_pad() -> None:
    ramp = Clip(np.arange(SAMPLE_RATE, dtype=np.float32), 0, "a")
    assert fixed_windows([ramp], 0.5)[0, 0].item() == SAMPLE_RATE // 4
    padded = fixed_windows([ramp], 2.0)[0]
    assert padded[: SAMPLE_RATE // 2].abs().sum().item() == 0
    assert padded[SAMPLE_RATE // 2 + 7].item() == 7


def test_opening_windows_begin_with_the_clip() -> None:
    ramp = Clip(np.arange(SAMPLE_RATE, dtype=np.float32), 0, "a")
    assert opening_windows([ramp], 0.5)[0, [0, -1]].tolist() == [0, SAMPLE_RATE // 2 - 1]
    assert opening_windows([ramp], 2.0)[0, SAMPLE_RATE:].abs().sum().item() == 0
