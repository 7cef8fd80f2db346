"""OpenAI's own SDK, pointed at this server: transcription of files."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from openai import APIStatusError, AuthenticationError, BadRequestError, OpenAI
from openai.types.audio import TranscriptionDiarized

from streamer.transcript.wer import normalize, word_errors
from tests.contract.conftest import TOKEN, Speech, ours
from tests.fakes import wav_bytes
from tests.serving import ServerThread
from tests.streamer.recognition.speakers.two_readers import two_readers


def data_url(samples: np.ndarray) -> str:
    return f"data:audio/wav;base64,{base64.b64encode(wav_bytes(samples)).decode()}"


SILENCE = data_url(np.zeros(48_000, np.float32))


def client(server: ServerThread, key: str = "any") -> OpenAI:
    return OpenAI(api_key=key, base_url=f"{server.http_url}v1", max_retries=0)


@pytest.mark.slow
def test_every_format(server: ServerThread, speech: Speech, bundled_speech: Path) -> None:
    create = client(server).audio.transcriptions.create
    whole = create(file=speech.path, model="whisper-1", language="en", prompt="A story.")
    assert speech.errors_in(whole.text) <= 0.15
    assert whole.usage is not None

    told = create(
        file=speech.path,
        model="streamer-draft",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        extra_body={"include": ["emotion"]},
    )
    assert speech.errors_in(told.text) <= 0.15
    assert told.duration == pytest.approx(soundfile.info(speech.path).duration, abs=0.01)
    assert told.segments is not None
    assert told.words is not None
    assert " ".join(word.word for word in told.words) == told.text
    assert " ".join(segment.text for segment in told.segments) == told.text
    assert all(0 <= word.start <= word.end <= told.duration for word in told.words)
    assert all(segment.avg_logprob < 0 for segment in told.segments)
    assert sum(ours(told.segments[0], "emotion")["probs"].values()) == pytest.approx(1, abs=0.01)

    short = bundled_speech / "1083_IWL_NEU_XX.opus"
    formats: Any = {
        name: create(file=short, model="streamer-draft", response_format=name)
        for name in ("text", "srt", "vtt")
    }
    assert word_errors("I would like a new alarm clock", formats["text"]).errors <= 1
    assert re.match(r"1\n00:00:00,\d{3} --> 00:00:0", formats["srt"])
    assert re.match(r"WEBVTT\n\n00:00:00.\d{3} --> 00:00:0", formats["vtt"])
    spoken = re.sub(r"\d+\n[\d:, >-]+\n", "", formats["srt"])
    assert normalize(spoken) == normalize(formats["text"])


@pytest.mark.slow
def test_words_are_streamed(server: ServerThread, speech: Speech) -> None:
    wav = io.BytesIO()
    soundfile.write(wav, np.tile(speech.samples, (2, 1)).T, 16_000, format="WAV")  # stereo
    stream = client(server).audio.transcriptions.create(
        file=("talk.wav", wav.getvalue()), model="gpt-4o-transcribe", stream=True
    )
    events = list(stream)
    *deltas, done = events
    said = [event.delta for event in deltas if event.type == "transcript.text.delta"]
    assert len(said) == len(deltas) > 1
    assert done.type == "transcript.text.done"
    assert "".join(said) == done.text
    assert speech.errors_in(done.text) <= 0.15


@pytest.mark.slow
def test_who_speaks(server: ServerThread) -> None:
    wav = io.BytesIO()
    soundfile.write(wav, two_readers(), 16_000, format="WAV")
    create = client(server).audio.transcriptions.create
    asked: Any = {"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}
    whole = create(file=("talk.wav", wav.getvalue()), chunking_strategy="auto", **asked)
    assert isinstance(whole, TranscriptionDiarized)
    assert whole.task == "transcribe"
    assert whole.duration == pytest.approx(13.6, abs=0.01)
    speakers = [segment.speaker for segment in whole.segments]
    assert [s for s, before in zip(speakers, ["", *speakers], strict=False) if s != before] == [
        *"ABA"
    ]
    assert " ".join(segment.text for segment in whole.segments) == whole.text
    assert all(segment.start < segment.end for segment in whole.segments)

    events = list(create(file=("talk.wav", wav.getvalue()), stream=True, **asked))
    streamed = [event for event in events if event.type == "transcript.text.segment"]
    assert [(s.id, s.text, s.speaker) for s in streamed] == [
        (s.id, s.text, s.speaker) for s in whole.segments
    ]
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == whole.text

    reference = two_readers()[80_000:130_000]
    known: Any = {"known_speaker_names": ["Bob"], "known_speaker_references": [data_url(reference)]}
    named = create(file=("talk.wav", wav.getvalue()), **asked, **known)
    assert isinstance(named, TranscriptionDiarized)
    assert [s.speaker for s in named.segments] == [{"A": "A", "B": "Bob"}[s] for s in speakers]


def knowing(names: list[str], *references: str) -> dict[str, Any]:
    return {
        "response_format": "diarized_json",
        "known_speaker_names": names,
        "known_speaker_references": list(references),
    }


@pytest.mark.parametrize(
    ("given", "advice", "param"),
    [
        ({"file": ("a.mp4", b"no audio at all")}, "a.mp4: is not audio that can be read", "file"),
        ({"file": ("a.wav", b"")}, "a.wav: is empty", "file"),
        ({"model": "streamer-best"}, "use one of streamer, streamer-draft", "model"),
        ({"language": "tlh"}, "use auto, or one of de, en", "language"),
        ({"response_format": "ass"}, "use one of json, text, srt", "response_format"),
        ({"known_speaker_names": ["Ada"]}, "send as many as", "known_speaker_names"),
        (
            knowing(["Ada"], SILENCE) | {"response_format": "json"},
            "needs response_format=diarized_json",
            "known_speaker_names",
        ),
        (knowing(["Ada", "Ada"], SILENCE, SILENCE), "each once", "known_speaker_names"),
        (knowing([*"abcdefghi"], *[SILENCE] * 9), "send 8 at most", "known_speaker_names"),
        (knowing(["Ada"], "https://ada.example"), "data URL", "known_speaker_references"),
        (knowing(["Ada"], SILENCE), "too little is said", "known_speaker_references"),
        (
            knowing(["Ada"], "data:audio/wav;base64,bm8="),
            "that of Ada: is not audio",
            "known_speaker_references",
        ),
        (knowing(["Ada"], "data:a/b;base64," + "A" * 2**22), "cannot be read", "file"),
        ({"timestamp_granularities": ["word"]}, "needs response_format", "timestamp_granularities"),
        ({"prompt": "x" * 4_001}, "longer than 4000 characters", "prompt"),
        ({"stream": True, "response_format": "srt"}, "streams text alone", "stream"),
    ],
)
def test_what_is_not_to_be_had_is_refused_with_advice(
    locked_server: ServerThread, speech: Speech, given: dict[str, Any], advice: str, param: str
) -> None:
    wanted: dict[str, Any] = {"file": speech.path, "model": "whisper-1"} | given
    with pytest.raises(BadRequestError, match=re.escape(advice)) as refused:
        client(locked_server, TOKEN).audio.transcriptions.create(**wanted)
    assert refused.value.param == param
    assert "/tmp" not in refused.value.message


def test_keys_and_forms(locked_server: ServerThread, speech: Speech) -> None:
    with pytest.raises(AuthenticationError, match="token missing or wrong"):
        client(locked_server, "wrong").audio.transcriptions.create(
            file=speech.path, model="whisper-1"
        )
    url = f"{locked_server.http_url}v1/audio/transcriptions"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for kind, body, advice in (
        ("application/json", b"{}", "send the recording as multipart/form-data"),
        ("multipart/form-data", b"--x", "boundary"),
        ("multipart/form-data; boundary=x", b"nothing of the sort", "cannot be read"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", "file: is missing"),
    ):
        answer = httpx.post(url, content=body, headers=headers | {"content-type": kind})
        assert answer.status_code == 400, kind
        assert advice in answer.json()["error"]["message"], kind


def test_uploads_have_a_limit(speech: Speech) -> None:
    from streamer.app import ServerOptions

    with (
        ServerThread(ServerOptions(max_upload_bytes=50_000)) as server,
        pytest.raises(APIStatusError, match="larger than 50000 bytes") as refused,
    ):
        client(server).audio.transcriptions.create(
            file=("a.wav", bytes(200_000)), model="whisper-1"
        )
    assert refused.value.status_code == 413
