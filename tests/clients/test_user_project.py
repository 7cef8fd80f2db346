"""A project of somebody's, which has folders `clients` and `models` of its own and uses ours."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import textwrap
import venv
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit
from zipfile import ZipFile

import pytest

from tests.conftest import ROOT
from tests.docs.blocks import blocks_of
from tests.serving import ServerThread
from tests.sources import copy_sources

pytestmark = pytest.mark.slow

CAPTIONER = """\
from streamer.client import connect


async def caption() -> str:
    async with connect("localhost:8765") as client:
        return client.transcript.text
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is installed elsewhere, built of a copy: builds leave files in their folder."""
    source, built = (tmp_path_factory.mktemp(name) for name in ("source", "wheel"))
    copy_sources(source)
    offline = ["--no-build-isolation"] if _can_build() else []
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *offline, "-w", built, source],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not offline:
        pytest.skip(f"setuptools is not here and could not be had: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    (path,) = built.glob("*.whl")
    return path


def _can_build() -> bool:
    try:
        return int(version("setuptools").split(".")[0]) >= 77
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and borrows what it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    library = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    with ZipFile(wheel) as archive:
        archive.extractall(library)
    # Of a folder named here no .pth file is obeyed, so this checkout does not come along.
    Path(library, "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("clients", "models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'OWNER = "the {name} of the user"\n')
    return tmp_path


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread() as server:
        yield server


@pytest.mark.parametrize("source", ["checkout", "wheel"])
def test_the_readme_example_runs_beside_folders_of_the_same_names(
    project: Path, server: ServerThread, source: str, request: pytest.FixtureRequest
) -> None:
    (example,) = (block for block in blocks_of(ROOT / "README.md") if block.language == "python")
    text = example.text.replace("localhost:8765", urlsplit(server.http_url).netloc)
    assert text != example.text
    (project / "captions.py").write_text(
        "import asyncio\n\nimport numpy as np\n\nimport clients\nimport models\n\n"
        "samples = np.full(16_000, 0.3, np.float32)\n\n\n"
        f"async def main() -> None:\n{textwrap.indent(text, '    ')}\n\n"
        "print(clients.OWNER)\nprint(models.OWNER)\nasyncio.run(main())\n"
    )
    if source == "wheel":
        python, path = request.getfixturevalue("installed"), ""
    else:
        python, path = sys.executable, str(ROOT)
    done = _run([python, "captions.py"], project, PYTHONPATH=path)
    said = "the clients of the user\nthe models of the user\nw0 w8000\n"
    assert (done.returncode, done.stdout) == (0, said), done.stderr


@pytest.mark.parametrize("source", ["checkout", "wheel"])
def test_our_weights_are_found_from_a_folder_that_is_not_ours(
    project: Path, source: str, request: pytest.FixtureRequest
) -> None:
    if source == "wheel":
        python, path = request.getfixturevalue("installed"), ""
    else:
        python, path = sys.executable, str(ROOT)
    command = [python, "-m", "streamer", "models", "verify", "emotion"]
    done = _run(command, project, PYTHONPATH=path)
    assert (done.returncode, done.stdout.split()) == (0, ["ok", "emotion", "emotion.onnx"])


def test_the_wheel_holds_one_package_with_all_that_it_reads(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    tops = {name.split("/")[0] for name in names}
    assert tops == {"streamer", f"streamer-{version('streamer')}.dist-info"}
    page = {
        f"streamer/client/web/{path.relative_to(ROOT / 'clients' / 'web')}"
        for path in (ROOT / "clients" / "web").rglob("*")
        if path.is_file()
    }
    assert {"streamer/client/web/index.html", "streamer/client/web/page/app.js"} < page
    assert page < names
    assert "streamer/client/speech/manifest.jsonl" in names
    assert "streamer/models/weights/emotion.onnx" in names
    assert "streamer/py.typed" in names


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("return client.transcript.text", "Success"),
        ("return client.transcript", 'expected "str"'),
        ("return client.transcribed", 'has no attribute "transcribed"'),
    ],
)
def test_a_type_checker_follows_the_client(
    project: Path, installed: Path, said: str, told: str
) -> None:
    (project / "captions.py").write_text(CAPTIONER.replace("return client.transcript.text", said))
    options = ["--strict", "--python-executable", str(installed)]
    options += ["--cache-dir", str(installed.parents[1] / "mypy")]
    done = _run([sys.executable, "-m", "mypy", *options, "captions.py"], project)
    assert told in done.stdout, done.stdout + done.stderr


def _run(
    command: Sequence[str | Path], folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
