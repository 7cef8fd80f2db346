"""The `streamer` command, one module a subcommand."""

from streamer.cli.app import build_app, main

__all__ = ["build_app", "main"]
