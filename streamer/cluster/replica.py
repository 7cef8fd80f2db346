"""One replica: an engine, and the server around it, as a deployment of Ray Serve."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import RequestRouterConfig
from ray.serve.exceptions import RayServeException
from ray.util import list_named_actors
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streamer.app import create_app
from streamer.client.bundled import page_folder
from streamer.cluster.direct import DirectPort
from streamer.cluster.options import ClusterOptions
from streamer.cluster.scaling import LoadMeter
from streamer.hosting.stored_session import StoredSession
from streamer.protocol.errors import ProtocolError
from streamer.recognition.engine import Engine
from streamer.runtime.allocator import give_large_blocks_back
from streamer.runtime.faults import fault_line
from streamer.runtime.log_limits import log_to_stderr
from streamer.runtime.metrics import ServerMetrics, exposition
from streamer.server.stream_server import StreamServer

logger = logging.getLogger(__name__)

APPLICATION: Final = "streamer"
DEPLOYMENT: Final = "captions"
_REPLICA_ACTOR: Final = f"SERVE_REPLICA::{APPLICATION}#{DEPLOYMENT}#"
_STATISTICS_EVERY_S: Final = 1.0
_LOOK_EVERY_S: Final = 1.0
_ANSWER_S: Final = 10.0
_ASKED_TIMES: Final = 3
"""Whether a session may be handed over, before it is given up."""
_SURGE_PERCENT: Final = 25
"""Of replicas that may run beyond their number during an update; it is rounded up."""
_LOOK_BACK_S: Final = 5.0
"""Loads are means over this long."""
_UP_AFTER_S: Final = 2.0
"""For this long more replicas must be wanted before there are more."""
_METRICS_S: Final = 2.0
_NOTICED_S: Final = 15.0
"""For a replica to find out that it is to go, and to close what is left."""


class CaptionReplica:
    """Serve makes one in every replica's process, and runs it in one event loop: but for what is no
    coroutine, which gets a thread."""

    def __init__(self, options: ClusterOptions) -> None:
        self._options = options
        self._name: str = serve.get_replica_context().replica_tag
        self._server: StreamServer | None = None
        self._handle: Any = None
        self._watching: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._direct: DirectPort | None = None
        self._meter: LoadMeter | None = None

    async def __serve_build_asgi_app__(self) -> Starlette:
        log_to_stderr()
        give_large_blocks_back()
        engine = await asyncio.to_thread(Engine.load, self._options.engine)
        self._direct = None if self._options.direct_url is None else DirectPort(self._options)
        direct_url = None if self._direct is None else self._direct.url
        options = replace(self._options.server, replica=self._name, direct_url=direct_url)
        app = create_app(engine, options, page_folder())
        self._server = app.state.server
        if self._direct is not None:
            self._direct.serve(app.state.server)
        self._meter = LoadMeter(app.state.server, self._options.cpus)
        app.router.routes.insert(0, Route("/metrics", self._all_metrics))
        self._handle = serve.get_deployment_handle(DEPLOYMENT, APPLICATION)
        self._watching = asyncio.create_task(self._watch())
        return app

    async def record_routing_stats(self) -> dict[str, Any]:
        """What the routers know of this replica."""
        server = self._server
        if server is None:
            return {}
        return {
            "at_s": time.time(),
            "room": server.room,
            "moving": server.moving,
            "ids": server.registry.shared_ids(),
        }

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What `scale` is told of this replica."""
        return {} if self._meter is None else asdict(self._meter.load())

    async def metrics(self, name: str) -> tuple[str, bytes]:
        """Its name, and what it counts, for Prometheus. Routed to the replica `name`."""
        return self._name, b"" if self._server is None else self._server.metrics.render()

    async def _all_metrics(self, request: Request) -> Response:
        """`/metrics`: of all replicas, whichever was asked."""
        names = await asyncio.to_thread(replica_names)
        asked = [self._handle.metrics.remote(name) for name in names if name != self._name]
        told = [await self.metrics(self._name)]
        for answer in asked:
            with suppress(RayError, RayServeException, TimeoutError):
                async with asyncio.timeout(_METRICS_S):
                    told.append(await answer)
        texts = dict(told).values()  # one that is gone is answered for by another
        families = [f for text in texts for f in text_string_to_metric_families(text.decode())]
        return Response(exposition(families), media_type=ServerMetrics.content_type)

    async def check_health(self) -> None:
        """Raises RuntimeError once nobody is left here: then Serve puts another in its place."""
        if self._leaving is not None and self._leaving.done():
            raise RuntimeError("this replica was drained")

    async def about(self, name: str) -> dict[str, Any]:
        """How it stands. Routed to the replica `name`, as long as that is to stay."""
        told = await self.record_routing_stats()
        connections = 0 if self._server is None else self._server.connections
        return {"name": self._name, "pid": os.getpid(), "connections": connections, **told}

    async def drain(self, name: str) -> bool:
        """Send everybody to other replicas. Returns at once; False: this is not `name`."""
        if name != self._name:
            return False
        self._leave()
        return True

    async def leave(self) -> None:
        """Returns when everybody is with other replicas, or has ended in order."""
        self._leave()
        if self._leaving is not None:
            await self._leaving
        if self._direct is not None:
            await self._direct.close()

    async def adopt(
        self, session: StoredSession, away_from: list[str], renamed: bool
    ) -> tuple[str, str | None]:
        """Take a session over. Gives the name of this replica, and the session's id here; None if
        there is no room."""
        server = self._server
        if server is None or server.moving or self._name in away_from:
            return self._name, None
        try:
            return self._name, server.registry.adopt(session, renamed=renamed)
        except ProtocolError:
            return self._name, None

    def _leave(self) -> None:
        if self._leaving is None and self._server is not None:
            logger.info("replica %s: everybody is sent to others", self._name)
            within_s = self._options.move_within_s
            self._leaving = asyncio.create_task(self._server.move_away(self._hand_over, within_s))

    async def _hand_over(self, session: StoredSession, renamed: bool) -> str | None:
        away_from, unanswered = [self._name], 0
        while True:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    name, session_id = await self._handle.adopt.remote(session, away_from, renamed)
            except (RayError, RayServeException, TimeoutError) as error:
                logger.error("session %s: no replica answers: %s", session.id, fault_line(error))
                unanswered += 1
                if unanswered == _ASKED_TIMES:
                    return None
                continue
            if session_id is not None or name in away_from:
                found: str | None = session_id
                return found
            away_from.append(name)

    async def _watch(self) -> None:
        """Find out when this replica is to go: Serve tells it only after its last client has left,
        but at once routes nothing to it any more, not even what it asks itself."""
        known = False
        while self._leaving is None:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    answer = await self._handle.about.remote(self._name)
            except (RayError, RayServeException, TimeoutError):
                continue  # nobody else is there to take anybody over
            if answer["name"] == self._name:
                known = True
            elif known:
                self._leave()


class _Deployed(serve.ingress()(CaptionReplica)):  # type: ignore[misc]  # Ray may not be installed
    """Serve counts only what comes through its proxy, and ends a replica that has none of it."""

    async def __del__(self) -> None:
        await self.leave()
        await super().__del__()


def replica_names() -> list[str]:
    """Of all replicas that run, or begin or end."""
    found: Callable[..., list[dict[str, str]]] = list_named_actors
    names = [actor["name"] for actor in found(all_namespaces=True)]
    return sorted(n.removeprefix(_REPLICA_ACTOR) for n in names if n.startswith(_REPLICA_ACTOR))


def build(options: ClusterOptions) -> serve.Application:
    """What `serve deploy` and `streamer cluster start` run."""
    scaling: dict[str, Any] = {"num_replicas": options.min_replicas}
    if options.max_replicas > options.min_replicas:
        scaling = {
            "autoscaling_config": {
                "min_replicas": options.min_replicas,
                "max_replicas": options.max_replicas,
                "policy": {"policy_function": "streamer.cluster.scaling:scale"},
                "metrics_interval_s": _STATISTICS_EVERY_S,
                "look_back_period_s": _LOOK_BACK_S,
                "upscale_delay_s": _UP_AFTER_S,
                "downscale_delay_s": options.down_after_s,
            }
        }
    leaves_s = options.move_within_s + options.server.shutdown_grace_s + _NOTICED_S
    deployment = serve.deployment(
        _Deployed,
        name=DEPLOYMENT,
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
        max_ongoing_requests=options.server.max_connections,
        graceful_shutdown_timeout_s=leaves_s,
        health_check_period_s=2.0,
        # Replicas go only when others are ready to take their sessions over.
        max_surge_percent=_SURGE_PERCENT,
        logging_config={"enable_access_log": False},
        request_router_config=RequestRouterConfig(
            request_router_class="streamer.cluster.router:SessionRouter",
            request_routing_stats_period_s=_STATISTICS_EVERY_S,
        ),
        **scaling,
    )
    return deployment.bind(options)
