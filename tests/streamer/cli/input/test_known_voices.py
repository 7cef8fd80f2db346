"""`--known NAME=FILE`: people who may speak."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import soundfile

from streamer.protocol.voice_prints import VOICE_NUMBERS
from tests.fakes import FakeEngine
from tests.streamer.cli.conftest import Run


def test_who_is_known_has_a_name(
    run: Run, fake_engine: FakeEngine, speech: Path, tmp_path: Path
) -> None:
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.zeros(16_000, np.float32), 16_000)
    known = ("--speakers", "2", "--known", f"Ada  Lovelace={speech}")
    result = run("transcribe", speech, "--json", *known)
    assert result.exit_code == 0, result.stderr
    (voice,) = fake_engine.recognizers[0].options.known_voices
    assert voice.shape == (VOICE_NUMBERS,)
    for arguments, message in (
        (["--known", f"Ada={speech}"], "people who are told apart: --speakers"),
        ([*known[:3], "Ada"], "write NAME=FILE"),
        ([*known[:3], "Ada=nowhere.wav"], "there is no file nowhere.wav"),
        ([*known[:3], f"Ada={quiet}"], "--known Ada: .*quiet.wav: too little is said"),
    ):
        refused = run("transcribe", speech, *arguments)
        assert refused.exit_code != 0
        assert re.search(message, refused.stderr)
