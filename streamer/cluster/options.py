"""What can be set about a cluster; also what its configuration file says."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamer.hosting.options import ServerOptions
from streamer.recognition.engine import EngineOptions

_ONE_SERVERS: Final = ("wyoming_port", "wyoming_zeroconf", "store", "tls", "trace", "replica")
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
    """More than `min_replicas` lets Serve add replicas while clients are many."""
    cpus: float = Field(2.0, gt=0)
    """That Ray sets aside for a replica."""
    gpus: float = Field(0.0, ge=0)
    """That Ray sets aside for a replica."""
    move_within_s: float = Field(30.0, ge=0)
    """A replica that is to go has sent everybody to others after this long."""

    @model_validator(mode="after")
    def _check(self) -> ClusterOptions:
        if self.max_replicas < self.min_replicas:
            raise ValueError("`max_replicas` must not be below `min_replicas`")
        default = ServerOptions()
        for name in _ONE_SERVERS:
            if getattr(self.server, name) != getattr(default, name):
                raise ValueError(f"`{name}` is not to be had in a cluster")
        return self
