"""A cluster of replicas on this machine alone, on a Ray of its own."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import psutil

from streamer.cluster.options import ClusterOptions

_OBJECT_STORE_BYTES: Final = 80 * 2**20
_TRIES: Final = 4
"""Ray's own processes give each other 15 s to begin, which is short on a machine that does much
else."""


@dataclass(frozen=True, slots=True)
class LocalCluster:
    url: str
    handle: Any
    """Of the deployment."""
    options: ClusterOptions
    """With its port."""
    ray_address: str

    def deploy(self) -> None:
        """Let new replicas take the place of all. Returns when they run."""
        from ray import serve

        from streamer.cluster.replica import APPLICATION, build

        serve.run(build(self.options), name=APPLICATION)


@contextmanager
def local_cluster(options: ClusterOptions) -> Iterator[LocalCluster]:
    """On a free port. Ray counts as many cores as all replicas want twice, for updates.

    Raises:
        ImportError: there is no Ray.
    """
    import ray
    from ray import serve

    from streamer.cluster.replica import APPLICATION, build

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    options = options.model_copy(update={"server": replace(options.server, port=port)})
    _start_ray(math.ceil(2 * options.max_replicas * options.cpus))
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port}, proxy_location="HeadOnly")
        handle = serve.run(build(options), name=APPLICATION)
        address = ray.get_runtime_context().gcs_address
        yield LocalCluster(f"http://127.0.0.1:{port}/", handle, options, address)
        serve.shutdown()
    finally:
        ray.shutdown()


def _start_ray(cpus: int) -> None:
    """One that counts so many CPUs."""
    import ray

    this = psutil.Process()
    before = set(this.children())
    for tries_left in reversed(range(_TRIES)):
        try:
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                _system_config={"worker_niceness": 0},  # as `streamer cluster start` has it
            )
        except Exception:  # Ray raises no other
            if not tries_left:
                raise
            left = [child for child in this.children() if child not in before]
            for process in left:  # they would be in the way of the next
                process.kill()
            psutil.wait_procs(left)
            ray.shutdown()
        else:
            return
