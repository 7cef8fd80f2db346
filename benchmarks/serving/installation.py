"""From a checkout to captions: size of the installation, and seconds until the demo has ended.

What `make demo` does is done step by step in a copy of the checkout with an empty model cache, as
for somebody new; then the client alone is installed. The first round fills pip's cache of packages,
the last one, which has it, is the one to look at.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.common import RESULTS, OutOption, figure, run, style, write_result

ROOT: Final = Path(__file__).parents[2]
SHOWN_PACKAGES: Final = 12
STEPS: Final = {
    "environment": ".venv/bin/python",
    "packages": ".venv/locked",
    "project and models": "install",
    "demo": "demo",
}
"""What `make demo` does, and make's names for it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command; `cpu_s` is what it and its children computed, whatever else the machine did."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Installation:
    steps: dict[str, Step]
    """As `STEPS` calls them."""
    environment_mb: float
    models_mb: float
    """Converted, in the cache."""
    packages_mb: dict[str, float]
    """By folder of the environment, largest first."""

    @property
    def wall_s(self) -> float:
        """From nothing until the demo has ended."""
        return round(sum(step.wall_s for step in self.steps.values()), 1)


@dataclass(frozen=True, slots=True)
class ClientInstallation:
    install: Step
    environment_mb: float
    """Without pip and bytecode."""


def timed(command: Sequence[str | Path], folder: Path, **environment: str) -> Step:
    """Run a command in `folder`, which prints to stderr.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, check=True, stdout=sys.stderr
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Step(round(time.monotonic() - start_s, 1), round(cpu_s, 1))


def size_mb(folder: Path, *, bytecode: bool = True) -> float:
    """Of all files; links count nothing."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    sizes = (path.stat().st_size for path in files if bytecode or path.suffix != ".pyc")
    return round(sum(sizes) / 1e6, 1)


def copy_checkout(target: Path) -> None:
    """What git knows of."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.split("\0")[:-1]:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name, follow_symlinks=False)


def install_whole(checkout: Path, cache: Path) -> Installation:
    """Anew, whatever is there.

    Raises:
        subprocess.CalledProcessError: a command failed.
    """
    environment = checkout / ".venv"
    for folder in (environment, cache):
        shutil.rmtree(folder, ignore_errors=True)
    steps = {
        name: timed(["make", target], checkout, STREAMER_CACHE=str(cache))
        for name, target in STEPS.items()
    }
    (library,) = environment.glob("lib/python3*/site-packages")
    packages = Counter({path.name: size_mb(path) for path in library.iterdir() if path.is_dir()})
    largest: dict[str, float] = dict(packages.most_common(SHOWN_PACKAGES))
    return Installation(steps, size_mb(environment), size_mb(cache), largest)


def install_client(checkout: Path, environment: Path) -> ClientInstallation:
    """
    Raises:
        subprocess.CalledProcessError: a command failed.
    """
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install"]
    took = timed([*install, checkout / "clients" / "python"], checkout)
    return ClientInstallation(took, size_mb(environment, bytecode=False))


def table(rounds: Sequence[Installation], client: ClientInstallation) -> Table:
    """The summary for people."""
    shown = Table(title="From a checkout to captions")
    for column in ("", "wall s", "CPU s", "MB"):
        shown.add_column(column, justify="right")
    for number, one in enumerate(rounds, 1):
        for name, step in one.steps.items():
            shown.add_row(f"round {number}: {name}", f"{step.wall_s:g}", f"{step.cpu_s:g}", "")
        sizes = f"{one.environment_mb:g} + {one.models_mb:g} of models"
        shown.add_row(f"round {number}", f"{one.wall_s:g}", "", sizes)
    install = client.install
    sizes = f"{client.environment_mb:g}"
    shown.add_row("client alone", f"{install.wall_s:g}", f"{install.cpu_s:g}", sizes)
    return shown


def draw(last: Installation) -> Figure:
    """What the megabytes are."""
    picture = figure(8, 4)
    axes = picture.subplots()
    names = list(reversed(last.packages_mb))
    axes.barh(names, [last.packages_mb[name] for name in names], color="#4477aa")
    style(axes, f"The largest of {last.environment_mb:.0f} MB", "MB", "")
    return picture


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often all is installed.")] = 2,
    out: OutOption = RESULTS,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkout, cache = Path(folder, "checkout"), Path(folder, "cache")
        copy_checkout(checkout)
        done = [install_whole(checkout, cache) for _ in range(rounds)]
        client = install_client(checkout, Path(folder, "client"))
    results = {"rounds": [asdict(one) for one in done], "client": asdict(client)}
    write_result("serving.installation", out, {"rounds": rounds}, results, draw(done[-1]))
    Console(width=100).print(table(done, client))


app = run(main)

if __name__ == "__main__":
    app()
