"""The `streamer` command. Heavy imports happen inside the commands that need them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from streamer.cli.cluster.commands import cluster_app
from streamer.cli.demo import demo
from streamer.cli.emotion import emotion
from streamer.cli.mic import mic
from streamer.cli.models import models_app
from streamer.cli.serve import serve
from streamer.cli.transcribe import transcribe

_HELP = """Live captions with emotion: of a microphone, of files, or as a websocket server.

Every option can also be set by the environment variable named beside it.
"""


def build_app() -> typer.Typer:
    """The command line as an object."""
    app = typer.Typer(
        name="streamer",
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(_streamer)
    for command in (serve, mic, transcribe, emotion, demo):
        app.command()(command)
    app.add_typer(models_app(), name="models")
    app.add_typer(cluster_app(), name="cluster")
    return app


def _streamer(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and stop.",
            is_eager=True,
            callback=lambda wanted: _print_version(wanted=wanted),
        ),
    ] = False,
) -> None:
    """What stands before a command."""


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamer {version('streamer')}")
        raise typer.Exit


def main() -> None:
    """Entry point of the installed command."""
    build_app()()
