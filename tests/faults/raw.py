"""Clients that speak TCP and leave the rules to others."""

from __future__ import annotations

import socket
import struct
from urllib.parse import urlsplit

import psutil

TEXT, BINARY, CONTINUATION, PING, PONG = 1, 2, 0, 9, 10


def message(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A masked websocket frame; a mask of zeros leaves the payload as it is."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    return bytes([(0x80 if fin else 0) | opcode]) + length + bytes(4) + payload


def open_tcp(url: str) -> socket.socket:
    address = urlsplit(url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(30)
    raw.connect((address.hostname, address.port))
    return raw


def handshake(url: str) -> bytes:
    address = urlsplit(url)
    return (
        f"GET {address.path}?{address.query} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def open_websocket(url: str) -> socket.socket:
    raw = open_tcp(url)
    raw.sendall(handshake(url))
    assert raw.recv(12) == b"HTTP/1.1 101"
    return raw


def read_to_end(raw: socket.socket) -> bytes:
    """All that still comes; a reset counts as the end."""
    read = b""
    try:
        while chunk := raw.recv(65_536):
            read += chunk
    except ConnectionError:
        pass
    return read


def send_for_ever(raw: socket.socket, data: bytes) -> None:
    """Raises ConnectionError when the server has had enough."""
    while True:
        raw.sendall(data)


def close_code(read: bytes) -> int:
    """Of a close frame at the end of what a server has sent."""
    at = read.rindex(b"\x88")
    return int.from_bytes(read[at + 2 : at + 4], "big")


def held_sockets(url: str) -> int:
    """Accepted connections that a server in this process has not closed yet."""
    port = urlsplit(url).port
    return sum(
        held.laddr.port == port and held.status != psutil.CONN_LISTEN
        for held in psutil.Process().net_connections("tcp")
    )
