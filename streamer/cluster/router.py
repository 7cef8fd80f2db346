"""Which replica gets a request: the one that has the session, else the one with most room.

Runs in Ray Serve's proxies. The interface that it implements is alpha; it was written for, and
tested with, Ray 2.60.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from streamer.protocol.replica_names import replica_of

_BEGINS_S: Final = 0.5
"""From when a request is routed until its session has a place."""
_COUNTED_S: Final = 30.0
"""A session shows in its replica's statistics after this long at the latest, whatever the clocks of
the machines say."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a request tells about where it should go."""

    session: str = ""
    """The session or follow id that it names."""
    away_from: frozenset[str] = frozenset()
    """Replicas that must not get it."""
    takes_place: bool = False
    """A session will begin."""

    def replica(self, shared: dict[str, str]) -> str | None:
        """`shared`: the replicas of ids that do not tell it."""
        return shared.get(self.session) or replica_of(self.session)


class SessionRouter(RequestRouter):  # type: ignore[misc]  # Ray may not be installed
    """Serve makes one in every process that sends requests to replicas."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._sent_s: dict[str, list[float]] = {}

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> Sequence[list[RunningReplica]]:
        """Ranks of one replica each, best first."""
        if pending_request is None:
            return [candidate_replicas]
        pending_request.routing_context.should_backoff = True
        aim = aim_of(pending_request.metadata.call_method, pending_request.args)
        stats = {_name(replica): replica.routing_stats for replica in candidate_replicas}
        shared = {session: name for name, told in stats.items() for session in told.get("ids", ())}
        wanted = aim.replica(shared)
        for replica in candidate_replicas:
            if _name(replica) == wanted:
                return [[replica]]
        others = [r for r in candidate_replicas if _name(r) not in aim.away_from]
        staying = [r for r in others if not stats[_name(r)].get("moving")]
        able = staying or others or candidate_replicas
        # Who has just begun has told nothing yet, and is not to get all that comes meanwhile.
        most = max((stats[_name(r)].get("room", 0) for r in able), default=0)
        return [[r] for r in sorted(able, key=lambda r: self._room(r, most), reverse=True)]

    def on_request_routed(
        self, pending_request: PendingRequest, replica_id: Any, result: Any
    ) -> None:
        if aim_of(pending_request.metadata.call_method, pending_request.args).takes_place:
            self._sent_s.setdefault(replica_id.unique_id, []).append(time.time())

    def _room(self, replica: RunningReplica, untold: int) -> int:
        """For sessions: what it told, less what was sent there since.

        Args:
            untold: of a replica that has told nothing.
        """
        name, told = _name(replica), replica.routing_stats
        since_s = max(told.get("at_s", 0.0) - _BEGINS_S, time.time() - _COUNTED_S)
        recent = [moment_s for moment_s in self._sent_s.get(name, ()) if moment_s > since_s]
        self._sent_s[name] = recent
        room: int = told.get("room", untold)
        return room - len(recent)


def _name(replica: RunningReplica) -> str:
    name: str = replica.replica_id.unique_id
    return name


def aim_of(method: str, arguments: Sequence[Any]) -> Aim:
    """Of a call of a replica's method, or of a web request, which comes as the pickled scope."""
    match method:
        case "drain" | "about" | "metrics":
            return Aim(session=f"{arguments[0]}.")
        case "adopt":
            return Aim(away_from=frozenset(arguments[1]), takes_place=True)
    if not arguments or not isinstance(arguments[0], bytes):
        return Aim()
    scope = pickle.loads(arguments[0]).asgi_scope  # made in this very process
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    session = query.get("session", [""])[0]
    return Aim(session, takes_place=scope["type"] == "websocket" and not session)
