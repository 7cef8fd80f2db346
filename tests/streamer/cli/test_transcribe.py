"""`streamer transcribe`: the JSON contract, failures, exit codes; once with the real models."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from streamer.recognition.contract import SessionOptions
from streamer.transcript.ledger import Segment, Word
from streamer.transcript.wer import word_errors
from streamer.transcript.written.options import WritingOptions
from tests.fakes import FakeEngine, silence, tone
from tests.streamer.cli.conftest import Run

KEYS = [
    *("file", "duration_s", "language", "text", "words", "segments"),
    *("latency_ms", "compute_s", "lost_samples"),
]


def test_json_is_one_object_a_line(run: Run, fake_engine: FakeEngine, speech: Path) -> None:
    result = run("transcribe", "--json", speech, speech)
    assert result.exit_code == 0
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert list(first) == KEYS
    assert first["file"] == str(speech)
    assert first["duration_s"] == 2.0
    assert [word["text"] for word in first["words"]] == ["w0", "w16000"]
    assert [segment["emotion"]["label"] for segment in first["segments"]] == ["happy", "happy"]
    assert first["latency_ms"]["decode"] == {"p50": 2.0, "p95": 2.0, "p99": 2.0}
    assert {**first, "compute_s": 0} == {**second, "compute_s": 0}
    assert result.stderr == ""
    assert fake_engine.closed
    assert all(recognizer.closed == 1 for recognizer in fake_engine.recognizers)


def test_text_for_people(run: Run, fake_engine: FakeEngine, speech: Path, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.zeros(16_000, np.float32), 16_000)
    result = run("transcribe", speech, quiet)
    assert result.stdout.splitlines() == [
        f"{speech}:",
        "   0.00 -    1.00  w0  (happy)",
        "   1.00 -    2.00  w16000  (happy)",
        f"{quiet}:",
        "(no speech)",
    ]


@pytest.mark.parametrize("wanted", ["srt", "vtt", "jsonl", "txt"])
def test_captions_on_standard_output_are_those_that_are_saved(
    run: Run, fake_engine: FakeEngine, speech: Path, tmp_path: Path, wanted: str
) -> None:
    result = run("transcribe", speech, "--format", wanted, "--save", tmp_path)
    assert result.exit_code == 0
    assert "w16000" in result.stdout
    assert result.stdout == (tmp_path / f"speech.{wanted}").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "--format", "srt"], "choose one"),
        (["other/talk.wav", "--format", "srt"], "use --save for several"),
        (["other/talk.wav", "--save", "x"], "two files would be saved as talk.srt"),
    ],
)
def test_output_that_cannot_be_is_refused_before_work(
    run: Run, fake_engine: FakeEngine, arguments: list[str], message: str
) -> None:
    result = run("transcribe", "talk.wav", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not fake_engine.recognizers


def hours_of_speech(count_alive: Callable[[], None]) -> Iterator[npt.NDArray[np.float32]]:
    """Two hours: three words and a pause every two seconds. Counts after 10 minutes and at the
    end."""
    sound = np.concatenate([tone(1.5), silence(0.5)])
    for second in range(0, 7_200, 2):
        if second == 600:
            count_alive()
        yield from np.split(sound, 4)
    count_alive()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["--json"], ["--format", "srt"]])
def test_hours_leave_nothing_in_memory_and_lose_nothing(
    run: Run,
    fake_engine: FakeEngine,
    speech: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    alive: list[int] = []

    def count_alive() -> None:
        alive.append(sum(type(found) in (Segment, Word) for found in gc.get_objects()))

    monkeypatch.setattr(
        "streamer.cli.input.hearing.blocks_of", lambda recording: hours_of_speech(count_alive)
    )
    result = run("transcribe", speech, "--save", tmp_path / "out", *arguments)
    assert result.exit_code == 0
    # The recognizer's ledger keeps its last 100 segments, of three words each.
    assert alive[0] >= 400
    assert alive[1] <= alive[0] + 10
    spoken = " ".join(f"w{at}" for at in range(0, 7_200 * 16_000, 8_000) if at % 32_000 < 24_000)
    assert (tmp_path / "out" / "speech.txt").read_text().split() == spoken.split()
    if arguments == ["--json"]:
        assert json.loads(result.stdout)["text"] == spoken
    else:
        assert sum(word.startswith("w") for word in result.stdout.split()) == 3 * 3_600


def test_bad_files_fail_and_the_others_are_done(
    run: Run, fake_engine: FakeEngine, speech: Path, tmp_path: Path
) -> None:
    empty, missing = tmp_path / "empty.wav", tmp_path / "missing.wav"
    empty.touch()
    result = run("transcribe", "--json", empty, speech, missing)
    assert result.exit_code == 1
    assert [json.loads(line)["file"] for line in result.stdout.splitlines()] == [str(speech)]
    assert result.stderr.splitlines() == [
        f"error: {empty}: is empty",
        f"error: {missing}: cannot be read (No such file or directory)",
    ]


def test_what_was_heard_before_the_damage_is_kept(
    run: Run, fake_engine: FakeEngine, tmp_path: Path
) -> None:
    sound = tone(4.0)
    sound[48_000:] = np.nan
    soundfile.write(tmp_path / "half.wav", sound, 16_000, subtype="FLOAT")
    result = run("transcribe", "--json", tmp_path / "half.wav")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["text"].startswith("w0 w8000")
    assert "holds samples that are NaN or infinite" in result.stderr


def test_ctrl_c_keeps_the_files_that_are_done(speech: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", tone(60.0), 16_000)
    command = [sys.executable, "-m", "tests.streamer.cli.fake_streamer", "transcribe", "--json"]
    with subprocess.Popen(
        [*command, "--speed", "1", str(speech), str(tmp_path / "long.wav")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        done = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        more, errors = process.communicate(timeout=20)
    assert (done["file"], done["text"]) == (str(speech), "w0 w16000")
    assert (process.returncode, more) == (130, "")
    assert errors == "error: stopped before the end; files that are done stay\n"


def test_options_reach_the_session(run: Run, fake_engine: FakeEngine, speech: Path) -> None:
    words = ("--hot-word", "Quilter", "--hot-word", "Nell")
    redact = ("--redact", "pci", "--redact", "ssn")
    writing = ("--numbers", "--profanity-filter", *redact, "--sounds")
    run("transcribe", speech, "--decoder", "draft", "--context", "A play.", *words, *writing)
    assert fake_engine.recognizers[0].options == SessionOptions(
        decoder="draft",
        context="A play.",
        hot_words=("Quilter", "Nell"),
        sounds=True,
        language="en",
        writing=WritingOptions(
            numbers=True, profanity_filter=True, redact=frozenset({"pci", "ssn"})
        ),
    )


def test_numbers_are_redacted_in_english_alone(
    run: Run, fake_engine: FakeEngine, speech: Path
) -> None:
    asked = ("transcribe", speech, "--redact", "numbers")
    for language in ("de", "auto"):
        result = run(*asked, "--language", language)
        assert (result.exit_code, fake_engine.recognizers) == (2, [])
        assert result.stderr == "error: --redact: numbers are redacted in English alone\n"
    assert run(*asked, "--language", "de", "--task", "translate").exit_code == 0


def test_who_asks_is_told_who_speaks(run: Run, fake_engine: FakeEngine, speech: Path) -> None:
    assert run("transcribe", speech, "--speakers", "3").exit_code == 0
    assert [made.options.speakers for made in fake_engine.recognizers] == [3]
    for wrong in ("1", "9"):
        assert run("transcribe", speech, "--speakers", wrong).exit_code == 2


def test_the_environment_sets_options(
    run: Run, fake_engine: FakeEngine, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_DECODER", "draft")
    monkeypatch.setenv("STREAMER_JSON", "1")
    result = run("transcribe", speech)
    assert json.loads(result.stdout)["text"] == "w0 w16000"
    assert fake_engine.recognizers[0].options.decoder == "draft"


def test_speed_changes_only_the_time_it_takes(
    run: Run, fake_engine: FakeEngine, speech: Path
) -> None:
    free, paced = (
        json.loads(run("transcribe", "--json", "--speed", speed, speech).stdout)
        for speed in ("0", "1")
    )
    assert {**free, "compute_s": 0} == {**paced, "compute_s": 0}


def test_captions_are_saved(
    run: Run, fake_engine: FakeEngine, speech: Path, tmp_path: Path
) -> None:
    assert run("transcribe", speech, "--save", tmp_path / "out").exit_code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("speech.srt", "speech.vtt", "speech.jsonl", "speech.txt"),
    }


@pytest.mark.parametrize("there", ["speech.srt", "speech.txt"])
def test_captions_that_are_there_are_kept(
    run: Run, fake_engine: FakeEngine, speech: Path, tmp_path: Path, there: str
) -> None:
    kept = tmp_path / "out" / there
    kept.parent.mkdir()
    kept.write_text("corrected by hand")
    result = run("transcribe", tmp_path / "other.wav", speech, "--save", kept.parent)
    assert result.exit_code == 2
    assert result.stderr == f"error: {kept} is there already; --overwrite replaces it\n"
    assert (kept.read_text(), fake_engine.recognizers) == ("corrected by hand", [])
    assert run("transcribe", speech, "--save", kept.parent, "--overwrite").exit_code == 0
    assert "w16000" in kept.read_text()


def test_captions_that_cannot_be_saved_are_a_failure(
    run: Run, fake_engine: FakeEngine, speech: Path
) -> None:
    result = run("transcribe", "--json", speech, "--save", speech.parent / "speech.wav" / "x")
    assert result.exit_code == 1
    assert "its captions cannot be written" in result.stderr
    assert json.loads(result.stdout)["text"] == "w0 w16000"


def test_the_trace_is_written(
    run: Run, fake_engine: FakeEngine, speech: Path, tmp_path: Path
) -> None:
    assert run("transcribe", speech, "--trace", tmp_path / "trace.json").exit_code == 0
    events = json.loads((tmp_path / "trace.json").read_text())
    assert "encode" in {event["name"] for event in events}


def test_a_trace_that_cannot_be_written_is_told(
    run: Run, fake_engine: FakeEngine, speech: Path
) -> None:
    result = run("transcribe", speech, "--trace", speech / "trace.json")
    assert result.exit_code == 1
    assert "the trace cannot be written" in result.stderr


def test_a_missing_model_is_one_line(
    run: Run, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.models.store.zoo._packaged", lambda part: None)
    result = run("transcribe", speech, "--decoder", "draft")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: the model ")
    assert " is not installed" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_missing_device_is_one_line(run: Run, speech: Path) -> None:
    result = run("transcribe", speech, "--decoder", "draft", "--device", "cuda")
    if result.exit_code == 0:
        pytest.skip("this machine has a GPU")
    # Whoever comes first converts the models, and is told.
    (said,) = (line for line in result.stderr.splitlines() if not line.startswith("converting"))
    assert "use --device cpu" in said


@pytest.mark.slow
def test_real_speech_through_the_real_command(bundled_speech: Path, tmp_path: Path) -> None:
    """Speed 0 and 1 agree word for word; a bad file fails alone; stderr is clean."""
    clip = bundled_speech / "1064_TIE_HAP_XX.opus"
    arguments = ["--json", "--decoder", "draft", str(clip)]

    def transcribe(*more: str) -> tuple[int, list[dict[str, Any]], str]:
        command = [sys.executable, "-m", "streamer", "transcribe", *arguments, *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    free = transcribe("--speed", "0", str(tmp_path / "missing.wav"))
    paced = transcribe("--speed", "1")
    assert (free[0], paced[0]) == (1, 0)
    assert free[2].count("\n") == 1
    assert "missing.wav: cannot be read" in free[2]
    assert paced[2] == ""
    for measured in ("latency_ms", "compute_s"):
        free[1][0].pop(measured)
        paced[1][0].pop(measured)
    assert free[1] == paced[1]
    assert word_errors("that is exactly what happened", free[1][0]["text"]).errors <= 1


@pytest.mark.parametrize(
    ("asked", "told", "wanted"),
    [
        ([], "en", "en"),
        (["--language", "German"], "de", "de"),
        (["--language", "auto"], "de", "auto"),
    ],
)
def test_the_language_is_asked_for_and_told(
    run: Run, fake_engine: FakeEngine, speech: Path, asked: list[str], told: str, wanted: str
) -> None:
    result = run("transcribe", "--json", speech, *asked, "--task", "translate")
    assert json.loads(result.stdout)["language"] == told
    options = fake_engine.recognizers[0].options
    assert (options.language, options.task) == (wanted, "translate")


def test_an_unknown_language_is_refused_with_those_there_are(
    run: Run, fake_engine: FakeEngine, speech: Path
) -> None:
    result = run("transcribe", speech, "--language", "tlh")
    assert result.exit_code == 2
    assert "--language: 'tlh' is not known; use auto, or one of af, ar" in result.stderr
    assert fake_engine.recognizers == []
