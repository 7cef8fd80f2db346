"""The container file, as far as it can be held without building it: docker needs a registry."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Final

import pytest

from tests.conftest import ROOT
from tests.serving import ServerThread
from tests.sources import SOURCES

FILE: Final = ROOT / "deploy" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each with what stands behind it, in one line."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def told(word: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == word]


def test_nothing_is_installed_but_by_the_lock() -> None:
    locked, ours = (run for run in told("RUN") if "pip install" in run)
    assert "--require-hashes --only-binary :all: " in locked
    assert locked.endswith("--requirement /src/deploy/requirements.lock")
    assert ours.endswith("--no-deps --no-build-isolation /src")


def test_an_ordinary_user_runs_it() -> None:
    words = [word for word, _ in instructions()]
    (user,) = told("USER")
    assert int(user) > 0
    assert f"useradd --uid {user} " in " ".join(told("RUN"))
    assert words.index("USER") > len(words) - 1 - words[::-1].index("COPY")
    assert words[-1] == "CMD"


def test_what_is_installed_gets_in_and_nothing_else() -> None:
    ignored = FILE.with_name(f"{FILE.name}.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {line.removeprefix("!") for line in rules if line.startswith("!")}
    assert let_in == {*SOURCES, "deploy/requirements.lock"}


def test_the_models_are_converted_by_the_user_who_serves() -> None:
    words = instructions()
    assert words.index(("RUN", "streamer models prepare")) > words.index(("USER", "10001"))


@pytest.mark.parametrize("runs", [True, False])
def test_the_health_check_tells_whether_it_serves(runs: bool) -> None:
    _, _, command = told("HEALTHCHECK")[0].partition("CMD ")
    python, *arguments = json.loads(command)
    assert python == "python"
    with ServerThread() as server:
        here = server.http_url.removesuffix("/")
        arguments = [argument.replace("http://127.0.0.1:8765", here) for argument in arguments]
        if runs:
            assert _health(arguments) == 0
    if not runs:
        assert _health(arguments) != 0


def _health(arguments: list[str]) -> int:
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True)
    return done.returncode
