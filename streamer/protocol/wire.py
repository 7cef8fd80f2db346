"""What all messages and events of the native protocol have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FromClient(BaseModel):
    """A setting that is misspelt must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wire(BaseModel):
    """Clients read on past fields that a newer server adds."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Numbered(Wire):
    """An event that is sent again if a cut swallowed it.

    `seq` counts the session's events from 1; after a resume numbers may be left out, as what
    was superseded meanwhile is not sent. 0 comes from servers that do not number.
    """

    seq: int = 0


class OfChannel(Numbered):
    """An event of one side of a conversation; of a session with one channel that is 0."""

    channel: int = 0
