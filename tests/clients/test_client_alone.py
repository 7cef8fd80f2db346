"""The client in an environment that has nothing else: what it weighs, and that it captions."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
import venv
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ROOT
from tests.serving import ServerThread

pytestmark = pytest.mark.slow

MAX_MB: Final = 70
"""Of files as they are installed, without bytecode; 57 of them are numpy's."""
MAX_WITHOUT_NUMPY_MB: Final = 10
DRIVER = """\
import sys
import numpy as np
from streamer.client import StartMessage, connect
from streamer.client.blocking import connect as connect_blocking
from streamer.client.files import RecordingError, open_recording
from streamer.client import follow, microphone
import asyncio

tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
int16 = (tone * 2**15).astype(np.int16)

async def main() -> None:
    for sound in (tone, int16, int16.tobytes(), np.stack([tone, tone], axis=1)):
        async with connect(sys.argv[1]) as client:
            await client.send_audio(sound)
            await client.stop()
            print(client.transcript.text)

asyncio.run(main())
with connect_blocking(sys.argv[1]) as client:
    client.send_audio(int16)
    client.stop()
    print(client.transcript.text)
try:
    with open_recording("talk.wav"):
        pass
except RecordingError as error:
    print(error)
heavy = ("onnxruntime", "streamer.recognition", "streamer.models", "streamer.server", "soundfile")
print(*[name for name in heavy if name in sys.modules])
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the client and what it asks for, from the package index."""
    source, folder = (tmp_path_factory.mktemp(name) for name in ("source", "environment"))
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", "web", "speech")
    for name in ("streamer", "clients", "LICENSE"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    venv.create(folder, with_pip=True)
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-compile", source / "clients" / "python"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        if any(sign in done.stderr for sign in ("No matching distribution", "NewConnectionError")):
            pytest.skip(f"no package index was reached: {done.stderr[-200:]}")
        raise AssertionError(done.stderr)
    subprocess.run([*pip, "uninstall", "--quiet", "--yes", "pip", "setuptools"], check=True)
    return folder


def test_it_captions_and_never_meets_the_engine(bare: Path, tmp_path: Path) -> None:
    with ServerThread() as server:
        done = subprocess.run(
            [bare / "bin" / "python", "-c", DRIVER, server.url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    *captions, refusal, heavy = done.stdout.splitlines()
    assert captions == ["w0 w8000"] * 5
    assert "pip install 'streamer-client[files]'" in refusal
    assert heavy == ""


def test_it_is_small(bare: Path) -> None:
    (library,) = bare.glob("lib/python3*/site-packages")
    sizes: Counter[str] = Counter()
    for path in library.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            sizes[path.relative_to(library).parts[0]] += path.stat().st_size
    assert sum(sizes.values()) / 1e6 < MAX_MB
    others = sum(size for name, size in sizes.items() if not name.startswith("numpy"))
    assert others / 1e6 < MAX_WITHOUT_NUMPY_MB, sizes


def test_it_asks_for_what_the_whole_asks_for() -> None:
    """The same ranges, and the same release."""
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    file = ROOT / "clients" / "python" / "pyproject.toml"
    alone = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    assert alone["version"] == whole["version"]
    assert alone["requires-python"] == whole["requires-python"]
    wanted = [alone["dependencies"], *alone["optional-dependencies"].values()]
    offered = {*whole["dependencies"], *whole["optional-dependencies"]["media"]}
    assert {each for some in wanted for each in some} <= offered
