"""`streamer models`: what is installed, under which licence, whether it is intact and ready."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from streamer.cli.engine_loading import say
from streamer.cli.failures import complain, fail
from streamer.cli.options import DeviceOption, JsonOption
from streamer.models.errors import ModelError
from streamer.models.store.catalog import WHISPER_BASE
from streamer.models.store.zoo import FileState, FileStatus, Zoo


def models_app() -> typer.Typer:
    """The group of subcommands."""
    app = typer.Typer(
        help="What models are installed: licences, checksums, places; preparing them.",
        no_args_is_help=True,
    )
    app.command("list")(list_models)
    app.command("verify")(verify)
    app.command("path")(path)
    app.command("prepare")(prepare)
    return app


def list_models(as_json: JsonOption = False) -> None:
    """List the models by name, with kind, licence and source."""
    for entry in Zoo().list():
        if as_json:
            files = [{"name": file.name, "sha256": file.sha256} for file in entry.files]
            line = {
                "name": entry.name,
                "kind": entry.kind,
                "licence": entry.licence,
                "source": entry.source,
                "files": files,
            }
            typer.echo(json.dumps(line))
        else:
            typer.echo(f"{entry.name}: {entry.kind}, {entry.licence}. {entry.source}.")


def verify(
    name: Annotated[str | None, typer.Argument(help="A model; all if left out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every byte of the installed models. The exit code is non-zero if one is not right."""
    zoo = Zoo()
    wrong = 0
    for model in [name] if name is not None else [entry.name for entry in zoo.list()]:
        try:
            statuses = zoo.verify(model)
            advice = zoo.entry(model).install
        except ModelError as error:
            fail(str(error))
        absent = all(status.state is FileState.MISSING for status in statuses)
        if absent and name is None and zoo.entry(model).optional:
            continue
        for status in statuses:
            _print_status(model, status, as_json=as_json)
            if status.state is not FileState.OK:
                complain(f"{model}: {status.file} is {status.state.value}; {advice}")
                wrong += 1
    if name is None:
        for status in zoo.verify_derived():
            _print_status("cache", status, as_json=as_json)
            if status.state is not FileState.OK:
                complain(f"cache: {status.file} is damaged; it is built again when it is needed")
                wrong += 1
    if wrong:
        raise typer.Exit(1)


def path(name: Annotated[str, typer.Argument(help="A model's name.")]) -> None:
    """Print where a model's files are, one a line. Prepares them if they ship in parts."""
    zoo = Zoo()
    try:
        for file in zoo.entry(name).files:
            typer.echo(zoo.path(name, file.name))
    except ModelError as error:
        fail(str(error))


def prepare(device: DeviceOption = "cpu") -> None:
    """Convert the default models into the cache now, so that the first start is as quick as any
    other."""
    from streamer.decoding.loading import speech_graphs
    from streamer.models.llm.loading import gemma_graphs
    from streamer.models.whisper.loading import listener_folder

    zoo = Zoo(say=say)
    try:
        gemma_graphs(zoo)
        listener_folder(WHISPER_BASE.name, zoo)
        speech_graphs(zoo, device)
    except ModelError as error:
        fail(str(error))


def _print_status(model: str, status: FileStatus, *, as_json: bool) -> None:
    if as_json:
        line = {
            "model": model,
            "file": status.file,
            "state": status.state.value,
            "path": str(status.path) if status.path is not None else None,
            "sha256": status.sha256,
        }
        typer.echo(json.dumps(line))
    else:
        typer.echo(f"{status.state.value:<8} {model}  {status.file}")
