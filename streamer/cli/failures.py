"""How commands fail: one sentence on stderr and a non-zero exit code, never a traceback."""

from __future__ import annotations

from typing import NoReturn

import typer

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def complain(message: str) -> None:
    """Tell of a problem and go on."""
    typer.echo(f"error: {' '.join(message.split())}", err=True)


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Tell of a problem and end the command."""
    complain(message)
    raise typer.Exit(code)
