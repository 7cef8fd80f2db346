"""Ids that tell which of several servers has what they name: `REPLICA.NAME`.

Whatever stands before the servers can route by them; they hold no secret.
"""

from __future__ import annotations

import re
from typing import Final

_REPLICA: Final = re.compile(r"[A-Za-z0-9_-]{1,24}")
_SEPARATOR: Final = "."


def check_replica(name: str) -> None:
    """Raises ValueError: ids cannot begin with this name."""
    if _REPLICA.fullmatch(name) is None:
        raise ValueError(
            "`replica` must be 1 to 24 letters, digits, hyphens or underscores of ASCII"
        )


def placed(replica: str | None, name: str) -> str:
    """The id of what has this name on that replica; the name itself if there is but one server."""
    return name if replica is None else f"{replica}{_SEPARATOR}{name}"


def name_of(placed_id: str) -> str:
    """What it is called on whatever replica."""
    return placed_id.rpartition(_SEPARATOR)[2]


def replica_of(placed_id: str) -> str | None:
    """The replica that an id names, which may be gone, or never have been; None: it names none."""
    replica, separator, _ = placed_id.partition(_SEPARATOR)
    return replica if separator and _REPLICA.fullmatch(replica) else None
