"""Sockets that wait for clients."""

from __future__ import annotations

import socket


def listener(host: str, port: int, send_timeout_s: float) -> socket.socket:
    """
    Args:
        port: 0 for any free one.
        send_timeout_s: a peer that takes nothing for this long is cut.

    Raises:
        OSError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family)
    _drop_the_deaf(listening, send_timeout_s)
    _find_the_gone(listening)
    return listening


def _drop_the_deaf(listening: socket.socket, timeout_s: float) -> None:
    """Let the system cut connections whose peer acknowledges nothing, or has its window shut.

    Closing such a socket would wait for ever to deliver what is left. Its pings, which need an
    acknowledgement, find machines that went without a word.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit it
        timeout_ms = round(timeout_s * 1000)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)


def _find_the_gone(listening: socket.socket) -> None:
    """Let the system ask silent connections whether their machine is still there. Accepted
    sockets inherit it (Linux)."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def shown(host: str) -> str:
    """As a browser on this machine would write it; pages may use the microphone there."""
    if host in {"0.0.0.0", "::", ""}:
        return "localhost"
    return f"[{host}]" if ":" in host else host
