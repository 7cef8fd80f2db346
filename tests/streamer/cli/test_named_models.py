"""Speech models and LLMs by name, from the command line, in the form that people have them:
Moonshine with real weights, and a tiny random LLM that has little to say against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.cli.local_server import local_server
from streamer.client import StartMessage
from streamer.client.blocking import connect, transcribe
from streamer.client.bundled import SpeechClip, bundled_speech
from streamer.transcript.wer import word_errors
from tests.models.real_moonshine import write_real_moonshine
from tests.models.tiny_gemma import write_tiny_gemma
from tests.streamer.cli.conftest import Run

CONTEXT = "Boats."


@pytest.fixture(scope="module")
def clip() -> SpeechClip:
    return max(bundled_speech(), key=lambda clip: clip.path.stat().st_size)


@pytest.fixture(scope="module")
def speech_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moonshine")
    write_real_moonshine(folder)
    return folder


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llm")
    write_tiny_gemma(folder)
    return folder


@pytest.mark.slow
def test_a_file_through_both(run: Run, clip: SpeechClip, speech_model: Path, llm: Path) -> None:
    options = ["--json", "--speech-model", speech_model, "--llm-model", llm, "--context", CONTEXT]
    result = run("transcribe", *options, clip.path)
    assert result.exit_code == 0, result.stderr
    (line,) = result.stdout.splitlines()
    told = json.loads(line)
    assert word_errors(clip.text, told["text"]).rate < 0.3
    assert "llm" in told["latency_ms"]
    assert all(0 <= w["start_s"] <= w["end_s"] <= told["duration_s"] for w in told["words"])


@pytest.mark.slow
def test_a_client_is_served_by_both(clip: SpeechClip, speech_model: Path, llm: Path) -> None:
    options = ["--speech-model", str(speech_model), "--llm-model", str(llm)]
    with local_server(options) as url:
        transcript = transcribe(clip.path, url, StartMessage(context=CONTEXT))
        with connect(url) as client:
            ready = client.ready
    assert word_errors(clip.text, transcript.text).rate < 0.3
    assert ready is not None
    assert ready.models["asr"] == str(speech_model)
    assert ready.models["llm"] == str(llm)
    assert ready.decoder == "fused"


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--speech-model", "nonesuch", "there is no model 'nonesuch'; choose from"),
        ("--speech-model", "gemma-3-270m", "is another kind of model: language model"),
        ("--speech-model", "LLM", "is of the kind gemma3_text; speech models can be granite"),
        ("--speech-model", "EMPTY", "is not complete"),
        ("--llm-model", "nonesuch", "there is no model 'nonesuch'; choose from"),
        ("--llm-model", "emotion", "is another kind of model: emotion from the voice"),
        ("--llm-model", "SPEECH", "is not a causal language model"),
        ("--llm-model", "EMPTY", "is not complete"),
    ],
)
def test_a_wrong_name_ends_in_a_sentence(
    run: Run,
    option: str,
    name: str,
    message: str,
    speech_model: Path,
    llm: Path,
    tmp_path: Path,
) -> None:
    folders = {"LLM": llm, "SPEECH": speech_model, "EMPTY": tmp_path}
    clip = bundled_speech()[0].path
    result = run("transcribe", option, folders.get(name, name), clip)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert message in line


@pytest.mark.parametrize("option", ["--speech-model", "--llm-model"])
def test_an_unreachable_hub_says_what_to_do(
    run: Run, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The hub's client, told to stay offline, fails as it does without a network.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    name = f"hub:someone/speech@{'1f0e' * 10}"
    result = run("transcribe", option, name, bundled_speech()[0].path)
    assert result.exit_code == 1
    assert "give its folder instead of the name" in result.stderr
