from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine.encoder import MIN_SAMPLES, EncoderStream
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES
from streamer.transcript.wer import word_errors
from tests.speech_models import Clip, asr_encoder, attend, greedy


def test_too_little_audio_is_refused(speech_models: SpeechModels) -> None:
    with pytest.raises(ValueError, match="894 samples are too few; give at least 895"):
        asr_encoder(speech_models).encode(np.zeros(MIN_SAMPLES - 1, np.float32))
    assert asr_encoder(speech_models).encode(np.zeros(MIN_SAMPLES, np.float32)).n_frames == 1


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(sizes=st.lists(st.integers(1, 9_000), min_size=1, max_size=6))
def test_a_window_encoded_afresh_does_not_depend_on_how_it_came(
    sizes: list[int], speech_models: SpeechModels, clips: list[Clip]
) -> None:
    encoder, samples = asr_encoder(speech_models), clips[0].samples[: max(MIN_SAMPLES, sum(sizes))]
    stream, at = EncoderStream(), 0
    for size in sizes:
        encoder.listen(stream, samples[at : at + size])
        encoder.audio(stream)
        at += size
    encoder.listen(stream, samples[at:])
    found = encoder.audio(stream, afresh=True)
    whole = encoder.encode(samples)
    assert found is not None
    # 8-bit products may round to the other side.
    apart = np.abs(found.cross_kv - whole.cross_kv).mean()
    assert apart < 0.05 * np.abs(whole.cross_kv).mean()


def test_what_is_forgotten_or_lies_behind_the_end_is_as_if_never_heard(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    encoder, samples = asr_encoder(speech_models), clips[-1].samples
    stream, start, end = EncoderStream(), 100 * FRAME_SAMPLES, 4 * 16_000
    encoder.listen(stream, samples[: 5 * 16_000])
    encoder.audio(stream)
    encoder.forget(stream, 100)
    found = encoder.audio(stream, end - start, afresh=True)
    expected = encoder.encode(samples[start:end])
    assert found is not None
    assert found.n_frames == expected.n_frames
    apart = np.abs(found.cross_kv - expected.cross_kv).mean()
    assert apart < 0.05 * np.abs(expected.cross_kv).mean()


def test_silence_behind_the_sound_lasts_for_one_encoding(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    encoder, samples = asr_encoder(speech_models), clips[0].samples
    stream = EncoderStream()
    encoder.listen(stream, samples[:20_000])
    hushed = encoder.audio(stream, n_silent=3_200, afresh=True)
    expected = encoder.encode(np.append(samples[:20_000], np.zeros(3_200, np.float32)))
    assert hushed is not None
    assert hushed.n_frames == expected.n_frames
    apart = np.abs(hushed.cross_kv - expected.cross_kv).mean()
    assert apart < 0.05 * np.abs(expected.cross_kv).mean()
    encoder.listen(stream, samples[20_000:])
    found = encoder.audio(stream, afresh=True)
    assert found is not None
    assert found.n_frames == encoder.encode(samples).n_frames


def test_settled_frames_stay_and_the_rest_is_renewed(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    encoder, samples = asr_encoder(speech_models), clips[-1].samples
    stream = EncoderStream()
    encoder.listen(stream, samples[:64_000])
    before = encoder.audio(stream)
    encoder.listen(stream, samples[64_000:68_096])
    after = encoder.audio(stream)
    assert before is not None
    assert after is not None
    n_settled = before.n_frames - 2 * 16_000 // FRAME_SAMPLES
    same = (after.cross_kv[:, :, : before.n_frames] == before.cross_kv).all(axis=(0, 1, 3))
    assert same[:n_settled].all()
    assert not same[n_settled:].any()


@pytest.mark.slow
def test_keeping_settled_frames_hardly_changes_the_words(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    encoder, errors = speech_models.encoder, []
    for clip in clips:
        stream = EncoderStream()
        audio = None
        for at in range(0, len(clip.samples), 4_096):
            encoder.listen(stream, clip.samples[at : at + 4_096])
            audio = encoder.audio(stream)
        assert audio is not None
        decode = speech_models.tokenizer.decode
        whole = decode(greedy(speech_models, attend(speech_models, clip.samples)))
        errors.append(word_errors(whole, decode(greedy(speech_models, audio))))
    assert sum(errors[1:], errors[0]).rate < 0.1
