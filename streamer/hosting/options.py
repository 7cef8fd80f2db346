"""What can be set about a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from streamer.protocol.messages import MAX_FRAME_MS
from streamer.protocol.replica_names import check_replica

TLS_CERTIFICATE: Final = "certificate.pem"
TLS_KEY: Final = "key.pem"
EmotionPolicy = Literal["off", "opt-in", "on"]
"""Which sessions tell emotions: none; those that ask for it; of the native protocol those too that
say nothing about it."""
_AT_LEAST_ONE: Final = (
    "max_sessions",
    "follower_events",
    "followed_segments",
    "max_connections",
    "max_undecided",
)


@dataclass(frozen=True)
class ServerOptions:
    """Raises ValueError if the values cannot work together. Its message has settings in
    backticks, so that the command line can call them by its own names."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` for all, which should come with a token."""
    port: int = 8765
    """0 takes any free port."""
    token: str | None = None
    """Clients must show it, if set. Health and metrics stay open."""
    allow_origin: tuple[str, ...] = ()
    """Web pages from elsewhere that may connect (`https://captions.example`), or `*`."""
    allow_host: tuple[str, ...] = ()
    """Names that the server may be called by (`captions.example`), or `*`. Listening on a loopback
    address it answers for `localhost` and the like alone, so a proxy on the same machine that
    passes the outside name needs this."""
    max_sessions: int = 8
    """Sessions beyond this are refused with `too_many_sessions`; each channel that is recognized by
    itself is one. A session whose connection broke keeps its place as long as it can be resumed."""
    refuse_lag_ms: float = 2_000.0
    """New sessions are refused, too, while half of the running ones lag by more than this."""
    resume_s: float = 60.0
    """A session whose connection broke can be resumed for this long."""
    max_parked: int = 4
    """Sessions that may wait to be resumed; beyond, of the client that has most of them the one
    with the fewest words is given up. With 0 no session can be resumed."""
    max_followers: int = 256
    """Of all sessions together."""
    max_followers_per_session: int = 100
    """So that one session cannot use up the followers of all."""
    follower_events: int = 256
    """A follower that leaves more events unread is dropped."""
    followed_segments: int = 50
    """Finished segments that a new follower gets."""
    max_message_bytes: int = 1_048_576
    """Of one websocket message or Wyoming event. 5 s of 48 kHz float32 are 0.96 MB."""
    max_messages_per_s: float = 500.0
    """Of text messages and frames under 10 ms together; longer frames are held back instead."""
    first_message_timeout_s: float = 10.0
    """A client that has connected and says nothing is closed after this long."""
    idle_timeout_s: float = 60.0
    """A client that sends nothing for this long is closed; a native session can be resumed."""
    header_timeout_s: float = 10.0
    """For a connection to send a whole request, and between two requests."""
    body_timeout_s: float = 10.0
    """A body of which nothing comes for this long is given up."""
    max_connections: int = 1_000
    """Sockets at once, whatever they are for; beyond, the oldest that has asked for nothing makes
    room."""
    max_undecided: int = 64
    """Clients that have not begun a session; beyond, the oldest is closed."""
    max_control_frames_per_s: float = 50.0
    """Pings and pongs of one websocket; beyond, it is closed."""
    send_timeout_s: float = 20.0
    """A client that does not read for this long is dropped."""
    max_upload_bytes: int = 104_857_600
    """Of a recording sent over HTTP."""
    max_upload_s: float = 86_400.0
    """Of sound in such a recording; a year of silence can be packed into its bytes."""
    emotion: EmotionPolicy = "on"
    """`off`: nobody is told emotions. `opt-in`: who asks for them. `on`: native clients, unless
    they say no, and those of other protocols that ask."""
    wyoming_port: int | None = None
    """Serve Wyoming clients here too; 0 takes any free port, None serves none."""
    wyoming_zeroconf: bool = False
    """Announce that port in the network, so that Home Assistant finds it (extra `zeroconf`)."""
    buffer_s: float = 20.0
    """Unprocessed audio a session may hold; must not exceed the engine's ring buffers."""
    outbox_events: int = 256
    """Events that may wait for a client to read before its recognizer pauses."""
    heartbeat_s: float = 1.0
    """Between `latency` events while audio flows."""
    shutdown_grace_s: float = 10.0
    """For running sessions to get their finals when the server stops."""
    store: Path | None = None
    """Keep committed words in this file, so that sessions can be resumed after the server was
    killed or started again. They are deleted `resume_s` after the session."""
    shared_store: Path | None = None
    """Keep them in this folder instead, which servers that stand in for each other share: each goes
    on with what another left that was killed."""
    tls: Path | None = None
    """Folder with `certificate.pem` and `key.pem`: serve HTTPS with them. None: plain HTTP."""
    trace: Path | None = None
    """Write spans of all sessions here, for Perfetto."""
    replica: str | None = None
    """Name of this server among several behind one address: ids of its sessions begin with it."""
    direct_url: str | None = None
    """Where clients reach this server itself, and not what stands before several: they are told,
    and go on there."""

    def __post_init__(self) -> None:
        if self.buffer_s * 1000 < 2 * MAX_FRAME_MS:
            raise ValueError(f"buffer_s must be at least {2 * MAX_FRAME_MS / 1000:g} seconds")
        if self.max_message_bytes < 1024:
            raise ValueError("max_message_bytes must be at least 1024")
        self._check_numbers()
        if self.resume_s <= 0:
            raise ValueError("resume_s must be positive; set max_parked to 0 to resume nothing")
        if (self.store or self.shared_store) is not None and self.max_parked == 0:
            raise ValueError("`store` is of no use where `max_parked` is 0 and nothing is resumed")
        if self.store is not None and self.shared_store is not None:
            raise ValueError("`store` and `shared_store` are two ways to keep the same; choose one")
        for name in self.allow_host:
            _check_host(name)
        if self.replica is not None:
            check_replica(self.replica)
        if self.token is not None:
            _check_token(self.token)
        if self.token is not None and self.wyoming_port is not None:
            raise ValueError(
                "Wyoming clients cannot show a token; leave out `token` or `wyoming_port`"
            )

        if self.wyoming_zeroconf and self.wyoming_port is None:
            raise ValueError("`wyoming_zeroconf` announces `wyoming_port`; choose that too")

    def _check_numbers(self) -> None:
        for name in ("max_parked", "max_followers", "max_followers_per_session"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("refuse_lag_ms", "max_control_frames_per_s", "max_upload_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")

    @property
    def max_backlog_s(self) -> float:
        """Beyond this a client is held back; one frame more still fits the buffer."""
        return self.buffer_s - MAX_FRAME_MS / 1000


def _check_host(name: str) -> None:
    if not name or any(sign in name for sign in "/:@ "):
        raise ValueError(
            f"`allow_host` takes names such as captions.example, not {name!r}; leave scheme and "
            "port out"
        )


def _check_token(token: str) -> None:
    """Whether every client can show it: it travels in a header. Raises ValueError, whose message
    does not hold the token."""
    if token == "":
        raise ValueError("`token` must not be empty; leave it out to need none")
    if not (token.isascii() and token.isprintable()):
        raise ValueError(
            "`token` must be of printable ASCII characters: others cannot be sent in a header; "
            "make one with `openssl rand -base64 24`"
        )
    if token != token.strip():
        raise ValueError("`token` must not begin or end with a space, which headers lose")
