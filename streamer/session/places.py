"""How many sessions may run at once. A place is taken before any work is done for a session."""

from __future__ import annotations

import numpy as np

from streamer.protocol.errors import ProtocolError, too_many_sessions
from streamer.protocol.messages import ErrorCode
from streamer.session.session import Session


class Place:
    """Room for one session, of as many channels as it was reserved for. Give it back on every way
    out; twice is harmless."""

    def __init__(self, places: Places, channels: int) -> None:
        self._places = places
        self.channels = channels
        self.live: Session | None = None
        """The session, if its audio is live."""

    def release(self) -> None:
        self._places.give_back(self)


class Places:
    """The places of one server. Event loop only."""

    def __init__(self, limit: int, refuse_lag_ms: float) -> None:
        """
        Args:
            limit: sessions at once, parked ones too; each channel counts as one.
            refuse_lag_ms: no place while half of the live sessions lag by more than this.
        """
        self._limit = limit
        self._refuse_lag_ms = refuse_lag_ms
        self._taken: set[Place] = set()

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def taken(self) -> int:
        return sum(place.channels for place in self._taken)

    @property
    def free(self) -> int:
        return max(0, self._limit - self.taken)

    def reserve(self, channels: int = 1) -> Place:
        """Raises ProtocolError: too little room is free, or the machine is behind."""
        self.check(channels)
        place = Place(self, channels)
        self._taken.add(place)
        return place

    def check(self, wanted: int = 1, held: int = 0) -> None:
        """Raises ProtocolError as `reserve` would, called `wanted` times by who holds some."""
        if wanted + held > self._limit:
            raise ProtocolError(
                ErrorCode.BAD_CONFIG,
                f"{wanted + held} channels are as many sessions, and this server has "
                f"{self._limit}; send fewer, or mixed",
            )
        if self.free < wanted:
            raise too_many_sessions(self._limit, self.free)
        if self.overdue_ms() > self._refuse_lag_ms:
            raise ProtocolError(
                ErrorCode.TOO_MANY_SESSIONS,
                "the machine is behind with the sessions it has; try again later",
            )

    def overdue_ms(self, share: float = 0.5) -> float:
        """So large a share of the sessions with live audio lag by no more; a recording may lie
        there for long."""
        lags = [place.live.overdue_ms for place in self._taken if place.live is not None]
        return float(np.quantile(lags, share)) if lags else 0.0

    def give_back(self, place: Place) -> None:
        self._taken.discard(place)
