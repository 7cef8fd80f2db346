"""The ids under which sessions are followed."""

from __future__ import annotations

import base64
import hashlib
import secrets

from streamer.protocol.replica_names import placed


def new_follow_id(share_secret: str | None, replica: str | None) -> str:
    """Whoever knows the id can follow; only who knows the secret can speak under it. Who has a
    secret keeps the id, on whatever replica it speaks."""
    if share_secret is not None:
        return _hash(share_secret)
    return placed(replica, _hash(secrets.token_urlsafe(32)))


def _hash(secret: str) -> str:
    digest = hashlib.sha256(b"streamer follow id\0" + secret.encode()).digest()
    return base64.urlsafe_b64encode(digest[:18]).decode()
