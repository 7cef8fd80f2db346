"""The command line as a whole: help, environment variables, start-up."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
import typer.main

from streamer.cli import build_app
from tests.streamer.cli.conftest import Run

COMMANDS = ["serve", "mic", "transcribe", "emotion", "demo", "models", "cluster"]


def leaf_commands(command: Any, name: str) -> list[tuple[str, Any]]:
    """Commands without subcommands. (Whose click they are made of differs between versions.)"""
    if not hasattr(command, "commands"):
        return [(name, command)]
    found = [leaf_commands(sub, f"{name} {key}") for key, sub in command.commands.items()]
    return [leaf for leaves in found for leaf in leaves]


def test_help_lists_every_command(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f" {command} " in result.output


def test_the_version_is_that_of_the_installation(run: Run) -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"streamer {version('streamer')}\n")


def test_every_option_has_an_environment_variable_and_help() -> None:
    for name, command in leaf_commands(typer.main.get_command(build_app()), "streamer"):
        assert command.help, name
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                assert str(parameter.envvar).startswith("STREAMER_"), (name, parameter.name)
                assert parameter.help, (name, parameter.name)


def test_help_loads_no_model_library() -> None:
    code = (
        "import sys; import streamer.cli; streamer.cli.build_app(); "
        "loaded = {'torch', 'transformers', 'onnxruntime', 'sounddevice'} & set(sys.modules); "
        "sys.exit(', '.join(loaded) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["transcribe", "--help"]])
def test_the_module_runs(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "streamer", *arguments]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Usage" in shown.stdout
    assert "Traceback" not in shown.stderr


def test_an_unknown_command_is_an_error(run: Run) -> None:
    assert run("dance").exit_code == 2
