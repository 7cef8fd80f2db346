"""The wheel, built as its author builds it and installed as `pipx` does: an environment that has
nothing else, and a link to its command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jiwer
import pytest

from streamer.client.bundled import bundled_speech
from tests.deploy.test_locks import LOCK, PROJECT, read
from tests.sources import copy_sources

pytestmark = pytest.mark.slow

NO_INDEX: Final = ("No matching distribution", "NewConnectionError", "Could not find a version")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The link, as on somebody's PATH."""
    pytest.importorskip("build", reason="build is not installed; `make test` installs it")
    source, built, environment, links = (
        tmp_path_factory.mktemp(name) for name in ("source", "built", "environment", "links")
    )
    copy_sources(source)
    _run([sys.executable, "-m", "build", "--outdir", built, source])
    (wheel,) = built.glob("*.whl")
    venv.create(environment, with_pip=True)
    # The releases that were tested, so that a new one elsewhere breaks nothing here.
    pins = built / "constraints.txt"
    pins.write_text("".join(f"{locked.requirement}\n" for locked in read(LOCK)))
    install = ["-m", "pip", "install", "--quiet", "--no-compile"]
    _run([environment / "bin" / "python", *install, "--constraint", pins, wheel])
    (links / "streamer").symlink_to(environment / "bin" / "streamer")
    return links / "streamer"


def _run(arguments: Sequence[str | Path]) -> None:
    """Fails with what it said; skips where no package index is reached."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode and any(sign in said for sign in NO_INDEX):
        pytest.skip(f"no package index was reached: {said[-200:]}")
    assert done.returncode == 0, said[-2000:]


def _streamer(command: Path, cache: Path, *arguments: str | Path) -> tuple[str, str]:
    """What it says, and what it says on standard error, in an environment that knows nothing."""
    done = subprocess.run(
        [command, *arguments],
        cwd=cache,
        env={"PATH": os.defpath, "HOME": str(cache), "STREAMER_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_it_captions_a_file(command: Path, tmp_path: Path) -> None:
    clip = bundled_speech()[0]
    first, told = _streamer(command, tmp_path, "transcribe", "--json", clip.path)
    second, told_again = _streamer(command, tmp_path, "transcribe", "--json", clip.path)
    segments = json.loads(first)["segments"]
    assert segments == json.loads(second)["segments"]
    said = " ".join(segment["text"] for segment in segments)
    plain = re.sub(r"[^a-z' ]", "", said.lower())
    assert jiwer.wer(clip.text.lower(), plain) <= 0.2
    assert all("emotion" in segment for segment in segments)
    assert "converting gemma-3-270m into the cache, this once …\n" in told
    assert told_again == ""


def test_it_tells_its_version_and_has_the_page(command: Path, tmp_path: Path) -> None:
    version, _ = _streamer(command, tmp_path, "--version")
    assert version == f"streamer {PROJECT['project']['version']}\n"
    library = next(command.resolve().parents[1].glob("lib/python3*/site-packages"))
    assert (library / "streamer" / "client" / "web" / "index.html").is_file()
    assert not (library / "torch").exists()
