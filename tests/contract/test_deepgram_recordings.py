"""Deepgram's own SDK, pointed at this server: recordings, and audio of several channels."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.listen.v1.types import ListenV1Results
from deepgram.types import ListenV1Response

from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.transcript.wer import word_errors
from tests.contract.conftest import RATE, TOKEN, Speech, ours
from tests.contract.deepgram_live import environment, live
from tests.serving import ServerThread
from tests.streamer.recognition.speakers.two_readers import two_readers


def alternative(told: ListenV1Response, channel: int = 0) -> Any:
    alternatives = told.results.channels[channel].alternatives
    assert alternatives is not None
    (one,) = alternatives
    return one


@pytest.mark.slow
def test_a_recording(server: ServerThread, speech: Speech) -> None:
    client = DeepgramClient(api_key="any", environment=environment(server))
    data = speech.path.read_bytes()
    told = client.listen.v1.media.transcribe_file(
        request=data,
        model="nova-3",
        smart_format=True,
        utterances=True,
        language="en",
        request_options={"additional_query_parameters": {"emotion": "true"}},
    )
    assert isinstance(told, ListenV1Response)
    spoken = alternative(told)
    assert speech.errors_in(spoken.transcript) <= 0.15
    assert 0 < spoken.confidence <= 1
    assert " ".join(word.punctuated_word for word in spoken.words) == spoken.transcript
    starts = [word.start for word in spoken.words]
    assert starts == sorted(starts)
    assert all(word.start <= word.end and word.word for word in spoken.words)
    assert told.metadata.duration == pytest.approx(soundfile.info(speech.path).duration, abs=0.01)
    assert told.metadata.sha256 == hashlib.sha256(data).hexdigest()
    assert (told.metadata.channels, told.metadata.models) == (1, ["streamer-fused"])
    assert told.metadata.model_info["streamer-fused"]["name"] == "nova-3"
    sentences = [s.text for p in spoken.paragraphs.paragraphs for s in p.sentences]
    assert " ".join(sentences) == spoken.transcript
    utterances = told.results.utterances or []
    assert " ".join(utterance.transcript or "" for utterance in utterances) == spoken.transcript
    assert ours(utterances[0], "emotion")["label"]


@pytest.mark.slow
async def test_a_recording_from_a_stream_of_bytes(server: ServerThread, speech: Speech) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        pcm = speech.pcm(8_000)
        for at in range(0, len(pcm), 10_001):
            yield pcm[at : at + 10_001]

    client = AsyncDeepgramClient(api_key="any", environment=environment(server))
    raw = client.listen.v1.media.with_raw_response
    answer = await raw.transcribe_file(
        request=pieces(),
        model="streamer-draft",
        encoding="linear16",
        request_options={"additional_query_parameters": {"sample_rate": 8_000}},
    )
    assert answer.headers["streamer-model"] == "streamer-draft"
    assert isinstance(answer.data, ListenV1Response)
    assert speech.errors_in(alternative(answer.data).transcript) <= 0.25


@pytest.fixture(scope="module")
def conversation() -> tuple[npt.NDArray[np.float32], list[str]]:
    """Two people at once, one in each channel, and what they say."""
    clips = sorted((c for c in bundled_speech() if c.label is None), key=lambda c: c.duration_s)
    channels = [read_samples(clip.path) for clip in clips[:2]]
    n_frames = max(map(len, channels)) + 2 * RATE
    padded = [np.pad(samples, (0, n_frames - len(samples))) for samples in channels]
    return np.stack(padded, axis=1), [clip.text for clip in clips[:2]]


@pytest.mark.slow
def test_each_channel_of_a_recording(
    server: ServerThread, conversation: tuple[npt.NDArray[np.float32], list[str]]
) -> None:
    frames, texts = conversation
    wav = io.BytesIO()
    soundfile.write(wav, frames, RATE, format="WAV")
    client = DeepgramClient(api_key="any", environment=environment(server))
    told = client.listen.v1.media.transcribe_file(
        request=wav.getvalue(), model="nova-3", multichannel=True, utterances=True
    )
    assert isinstance(told, ListenV1Response)
    assert told.metadata.channels == len(told.results.channels) == 2
    for channel, text in enumerate(texts):
        assert word_errors(text, alternative(told, channel).transcript).rate <= 0.15
    assert {utterance.channel for utterance in told.results.utterances or []} == {0, 1}


@pytest.mark.slow
async def test_who_speaks(server: ServerThread) -> None:
    talk = two_readers()
    wav = io.BytesIO()
    soundfile.write(wav, talk, RATE, format="WAV")
    client = DeepgramClient(api_key="any", environment=environment(server))
    told = client.listen.v1.media.transcribe_file(
        request=wav.getvalue(), model="nova-3", diarize=True, utterances=True
    )
    assert isinstance(told, ListenV1Response)
    words = alternative(told).words
    assert list(dict.fromkeys(word.speaker for word in words)) == [0, 1]
    for utterance in told.results.utterances or []:
        assert {word.speaker for word in utterance.words or []} == {utterance.speaker}

    pcm = (np.clip(talk, -1, 1) * 32767).astype("<i2").tobytes()
    async with live(server, diarize=True) as session:
        await session.say([pcm[at : at + 3_200] for at in range(0, len(pcm), 3_200)])
        await session.close()
    final = [word for one in session.results if one.is_final for word in said(one)]
    assert {word.speaker for word in final} == {0, 1}
    assert final[-1].speaker == 0
    assert len({(word.start, word.word) for word in final}) == len(final)


@pytest.mark.slow
def test_who_speaks_in_each_channel(server: ServerThread) -> None:
    talk = two_readers()
    wav = io.BytesIO()
    soundfile.write(wav, np.stack([talk, np.roll(talk, RATE)], axis=1), RATE, format="WAV")
    client = DeepgramClient(api_key="any", environment=environment(server))
    told = client.listen.v1.media.transcribe_file(
        request=wav.getvalue(),
        model="streamer-draft",
        diarize=True,
        multichannel=True,
        request_options={"timeout_in_seconds": 300},
    )
    assert isinstance(told, ListenV1Response)
    for channel in (0, 1):
        words = alternative(told, channel).words
        assert list(dict.fromkeys(word.speaker for word in words)) == [0, 1]


def said(result: ListenV1Results) -> list[Any]:
    return list(result.channel.alternatives[0].words)


@pytest.mark.slow
async def test_each_channel_live(
    server: ServerThread, conversation: tuple[npt.NDArray[np.float32], list[str]]
) -> None:
    frames, texts = conversation
    pcm = (np.clip(frames, -1, 1) * 32_767).astype("<i2").tobytes()
    step = 4 * RATE // 10
    async with live(
        server, channels=2, multichannel=True, interim_results=True, utterance_end_ms=1000
    ) as session:
        await session.say([pcm[at : at + step] for at in range(0, len(pcm), step)])
        await session.connection.send_finalize()
        for channel in (0, 1):
            await session.until(
                lambda m, index=[channel, 2]: (
                    getattr(m, "from_finalize", False) and m.channel_index == index
                )
            )
        await session.close()
    for channel, text in enumerate(texts):
        finals = [r for r in session.finals if r.channel_index == [channel, 2]]
        said = " ".join(r.channel.alternatives[0].transcript for r in finals)
        assert word_errors(text, said).rate <= 0.2
        ends = [m.channel for m in session.messages if m.type == "UtteranceEnd"]
        assert [channel, 2] in ends
    metadata = session.messages[-1]
    assert (metadata.type, metadata.channels) == ("Metadata", 2)
    assert metadata.duration == pytest.approx(len(frames) / RATE, abs=0.001)
    assert server.server.places.taken == 0


def test_keys_and_what_is_not_to_be_had(locked_server: ServerThread, speech: Speech) -> None:
    where = environment(locked_server)
    with pytest.raises(ApiError) as refused:
        DeepgramClient(api_key="wrong", environment=where).listen.v1.media.transcribe_file(
            request=b"", model="nova-3"
        )
    assert refused.value.status_code == 401
    media = DeepgramClient(api_key=TOKEN, environment=where).listen.v1.media
    with pytest.raises(ApiError, match="nothing is fetched from elsewhere") as refused:
        media.transcribe_url(url="https://elsewhere.example/a.wav", model="nova-3")
    assert refused.value.status_code == 400
    with pytest.raises(ApiError, match="summarize: nothing is summarized; leave it out"):
        media.transcribe_file(request=speech.path.read_bytes(), summarize="v2")
