"""What can be set about a cluster; also what its configuration file says."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamer.hosting.options import ServerOptions
from streamer.recognition.engine import EngineOptions

_ONE_SERVERS: Final = (
    "wyoming_port",
    "wyoming_zeroconf",
    "store",
    "tls",
    "trace",
    "replica",
    "direct_url",
)
"""Settings that mean a port, a file or a name of one server's own."""


class ClusterOptions(BaseModel):
    """Raises ValidationError, a ValueError, if the values cannot work together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: ServerOptions = ServerOptions()
    """Of each replica; but host and port are those at which every machine of the cluster takes
    clients."""
    engine: EngineOptions = EngineOptions(languages=True)
    """Of each replica."""
    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(1, ge=1)
    """More than `min_replicas` lets Serve add replicas while those that run are loaded."""
    down_after_s: float = Field(60.0, ge=0)
    """For this long fewer replicas must do before there are fewer."""
    cpus: float = Field(2.0, gt=0)
    """That Ray sets aside for a replica."""
    gpus: float = Field(0.0, ge=0)
    """That Ray sets aside for a replica."""
    move_within_s: float = Field(30.0, ge=0)
    """A replica that is to go has sent everybody to others after this long."""

    direct_url: str | None = "ws://{address}:{port}/v1/stream"
    """Where clients reach a replica once they are let in: with its machine's address (`{address}`)
    or name (`{hostname}`), and its own `{port}`. None: all goes through the proxy. Who cannot
    get there, or came by TLS while this is none, stays with the proxy."""
    direct_port: int = Field(0, ge=0, le=65_435)
    """Each replica listens on the first port that is free from here on; 0 takes any."""

    @model_validator(mode="after")
    def _check(self) -> ClusterOptions:
        if self.max_replicas < self.min_replicas:
            raise ValueError("`max_replicas` must not be below `min_replicas`")
        default = ServerOptions()
        for name in _ONE_SERVERS:
            if getattr(self.server, name) != getattr(default, name):
                raise ValueError(f"`{name}` is not to be had in a cluster")
        if self.direct_url is not None and not self.direct_url.startswith(("ws://", "wss://")):
            raise ValueError("`direct_url` must begin with ws:// or wss://")
        return self

    def direct_url_of(self, address: str, hostname: str, port: int) -> str | None:
        """The `direct_url` of one replica."""
        url = self.direct_url
        told = {"{address}": address, "{hostname}": hostname, "{port}": str(port)}
        for name, value in told.items():
            url = None if url is None else url.replace(name, value)
        return url
