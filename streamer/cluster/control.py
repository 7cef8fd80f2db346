"""What an operator does with a cluster, from any of its machines."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from streamer.cluster.options import ClusterOptions
from streamer.cluster.replica import APPLICATION, DEPLOYMENT, build, replica_names

_ANSWER_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.5


class ClusterError(Exception):
    """The message says what to do."""


class NoRayError(ClusterError):
    """Ray does not run on this machine."""

    def __init__(self) -> None:
        super().__init__("no Ray runs on this machine; `streamer cluster start` or `join` does it")


@dataclass(frozen=True)
class ReplicaStatus:
    name: str
    state: str
    """`serving`; `leaving`: everybody is sent to others; `silent`: it starts, ends, or is gone."""
    connections: int
    room: int
    """Sessions that it would still take."""


def start_ray(port: int) -> None:
    """Start Ray on this machine, as the first of a cluster. It runs until `ray stop`.

    Args:
        port: where other machines join.

    Raises:
        ClusterError
    """
    _ray_start("--head", f"--port={port}", "--include-dashboard=false")


def join_ray(address: str) -> None:
    """Start Ray on this machine, as part of the cluster at `HOST:PORT`.

    Raises:
        ClusterError
    """
    _ray_start(f"--address={address}")


def _ray_start(*place: str) -> None:
    """Raises ClusterError."""
    command = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--disable-usage-stats",
        *place,
    ]
    # Ray lets its workers give way to all else that runs, but who speaks does not wait.
    environment = {"RAY_worker_niceness": "0", **os.environ}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ClusterError(f"Ray does not start: {said[-1] if said else done.returncode}")


@contextmanager
def connected() -> Iterator[None]:
    """Within it, calls go to the Ray that runs on this machine.

    Raises:
        NoRayError: none does.
    """
    try:
        ray.init(address="auto", log_to_driver=False, logging_level="error")
    except ConnectionError as error:
        raise NoRayError from error
    try:
        yield
    finally:
        ray.shutdown()


def deploy(options: ClusterOptions) -> None:
    """Serve, or serve anew with other options, and return when all replicas do. New replicas take
    the place of the old ones, which send everybody on.

    Raises:
        ClusterError: they do not start.
    """
    server = options.server
    try:
        serve.start(
            proxy_location="EveryNode",
            http_options={"host": server.host, "port": server.port},
        )
        serve.run(build(options), name=APPLICATION)
    except (RuntimeError, RayError, RayServeException) as error:
        raise ClusterError(f"the replicas do not start: {error}") from error


def replicas() -> list[ReplicaStatus]:
    """Raises ClusterError: there is no such cluster."""
    handle = _handle()
    return [_status(handle, name) for name in replica_names()]


def drain(name: str) -> None:
    """Let a replica send everybody to others. Returns at once; another takes its place.

    Raises:
        ClusterError: there is no such replica.
    """
    if name not in replica_names():
        raise ClusterError(f"there is no replica {name}; `streamer cluster status` lists them")
    if not _handle().drain.remote(name).result(timeout_s=_ANSWER_S):
        raise ClusterError(f"replica {name} is on its way out already, or has not begun")


def stop(within_s: float) -> None:
    """Let all sessions end in order, then stop serving. Ray goes on.

    Raises:
        ClusterError: there is no such cluster.
    """
    handle, names = _handle(), replica_names()
    for name in names:
        with suppress(RayError, RayServeException, TimeoutError):
            handle.drain.remote(name).result(timeout_s=_ANSWER_S)
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if not any(_status(handle, name).connections for name in names):
            break
        time.sleep(_LOOK_EVERY_S)
    serve.shutdown()


def _handle() -> Any:
    """Raises ClusterError."""
    try:
        return serve.get_deployment_handle(DEPLOYMENT, APPLICATION)
    except (RayServeException, RuntimeError) as error:
        raise ClusterError("nothing is served here; `streamer cluster start` does") from error


def _status(handle: Any, name: str) -> ReplicaStatus:
    silent = ReplicaStatus(name, "silent", 0, 0)
    try:
        told = handle.about.remote(name).result(timeout_s=_ANSWER_S)
    except (RayError, RayServeException, TimeoutError):
        return silent
    if told["name"] != name:
        return silent
    state = "leaving" if told.get("moving") else "serving"
    return ReplicaStatus(name, state, told["connections"], told.get("room", 0))
