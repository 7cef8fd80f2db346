"""The examples of docs/dialects.md do what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.conftest import Speech
from tests.serving import ServerThread

DOCUMENT = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^## ([\w, ]+)\n.*?```python\n(.*?)```", DOCUMENT, re.DOTALL | re.M))


def test_every_protocol_has_its_example() -> None:
    assert list(EXAMPLES) == ["Deepgram", "OpenAI Realtime", "OpenAI, files", "Wyoming"]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", list(EXAMPLES))
def test_example(protocol: str, server: ServerThread, speech: Speech, tmp_path: Path) -> None:
    shutil.copy(speech.path, tmp_path / "talk.wav")  # libsndfile goes by what is inside
    wyoming = urlsplit(server.server.wyoming_address or "")
    code = EXAMPLES[protocol].replace("localhost:8765", urlsplit(server.http_url).netloc)
    code = code.replace('"localhost", 10300', f'"{wyoming.hostname}", {wyoming.port}')
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *words, label = done.stdout.split()
    assert speech.errors_in(" ".join(words)) <= 0.25  # a label may stand between two segments
    assert label in ("neutral", "happy", "sad", "angry", "fearful", "disgust", "unknown")
