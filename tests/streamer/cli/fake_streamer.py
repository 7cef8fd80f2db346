"""The `streamer` command with a pretended microphone and the fake engine, as a program of its own:
`python -m tests.streamer.cli.fake_streamer`. The servers that it starts are such programs too.

With SLOW in the environment the models take a minute to load.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any
from unittest import mock

from streamer.cli import main
from tests.fake_audio import FakeAudio
from tests.fakes import FakeEngine


def load_engine(*args: object, **options: object) -> FakeEngine:
    if "SLOW" in os.environ:
        time.sleep(60)
    return FakeEngine()


class Popen(subprocess.Popen[str]):
    def __init__(self, command: list[str], **options: Any) -> None:
        fake = [__spec__.name if part == "streamer" else part for part in command]
        super().__init__(fake, **options)


if __name__ == "__main__":
    # Those in the background, or under nohup, would begin without them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with (
        mock.patch("streamer.cli.serve.load_engine", load_engine),
        mock.patch("streamer.cli.transcribe.load_engine", load_engine),
        mock.patch("streamer.client.microphone.audio_system", FakeAudio),
        mock.patch("subprocess.Popen", Popen),
    ):
        main()
