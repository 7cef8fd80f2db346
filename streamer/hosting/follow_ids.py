"""What followers know sessions by. None of it leads back to what it was made of."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final

from streamer.protocol.replica_names import name_of, placed

_FOLLOW_ID_BYTES: Final = 18
_SESSION_KEY_BYTES: Final = 9


def new_follow_id(share_secret: str | None, replica: str | None) -> str:
    """Whoever knows the id can follow; only who knows the secret can speak under it. Who has a
    secret keeps the id, on whatever replica it speaks."""
    secret = share_secret if share_secret is not None else secrets.token_urlsafe(32)
    follow_id = _hash("follow id", secret, _FOLLOW_ID_BYTES)
    return follow_id if share_secret is not None else placed(replica, follow_id)


def session_key(session_id: str) -> str:
    """Tells sessions apart, also behind a restart of the server or on another one, and not their
    ids: those belong to who speaks."""
    return _hash("session key", name_of(session_id), _SESSION_KEY_BYTES)


def _hash(purpose: str, text: str, n_bytes: int) -> str:
    digest = hashlib.sha256(f"streamer {purpose}\0{text}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:n_bytes]).decode()
