"""A cluster of two replicas on this machine, with real models, and what is asked of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.serving.local_cluster import local_cluster
from streamer.client.address import websocket_url
from streamer.cluster.options import ClusterOptions
from streamer.hosting.options import ServerOptions
from streamer.recognition.engine import EngineOptions

N_REPLICAS = 2
WITHIN_S = 240.0
"""For what needs a replica to begin, or to end, on a machine that does much else."""


@dataclass(frozen=True)
class Cluster:
    url: str
    http_url: str
    handle: Any
    """Of the deployment."""
    options: ClusterOptions
    ray_address: str
    _deployed: list[dict[str, object]] = field(default_factory=lambda: [{}])
    """What was asked for, one after the other."""

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`streamer cluster …`"""
        return subprocess.run(
            [sys.executable, "-m", "streamer", "cluster", *arguments],
            env={**os.environ, "RAY_ADDRESS": self.ray_address},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def update(self, **changed: object) -> None:
        """Let new replicas with other options take the place of all. Returns when they run."""
        from ray import serve

        from streamer.cluster.replica import APPLICATION, build

        serve.run(build(self.options.model_copy(update=changed)), name=APPLICATION)
        self._deployed.append(changed)

    def ensure(self, **changed: object) -> None:
        """Update to these options, unless the last update had them."""
        if self._deployed[-1] != changed:
            self.update(**changed)

    def names(self) -> set[str]:
        """Of the replicas that run."""
        from streamer.cluster.replica import replica_names

        return set(replica_names())

    def pid(self, name: str) -> int:
        """Of that replica's process."""
        told: dict[str, Any] = self.handle.about.remote(name).result(timeout_s=WITHIN_S)
        assert told["name"] == name
        pid: int = told["pid"]
        return pid

    def serving(self) -> set[str]:
        """Replicas that answer for themselves, and are to stay."""
        from streamer.cluster.control import replicas

        return {replica.name for replica in replicas() if replica.state == "serving"}

    async def settled(self, without: str = "", n_replicas: int = N_REPLICAS) -> set[str]:
        """Wait until all replicas serve that should, and no other is left."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                serving = await asyncio.to_thread(self.serving)
                if len(serving) == n_replicas and serving == self.names() - {without}:
                    return serving
                await asyncio.sleep(0.2)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Raises ImportError: there is no Ray."""
    options = ClusterOptions(
        # Nothing is given up because the machine is slow.
        server=ServerOptions(
            emotion="off",
            max_sessions=14,
            max_parked=14,
            heartbeat_s=0.5,
            resume_s=WITHIN_S,
            shutdown_grace_s=60.0,
        ),
        engine=EngineOptions(llm=False, emotion_model=None, threads=1, latency="low"),
        min_replicas=N_REPLICAS,
        max_replicas=N_REPLICAS,
        cpus=1.0,
        move_within_s=6.0,
    )
    with local_cluster(options) as running:
        url = websocket_url(running.url)
        yield Cluster(url, running.url, running.handle, running.options, running.ray_address)


async def until(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)
