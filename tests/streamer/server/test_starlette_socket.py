from __future__ import annotations

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

from streamer.server.sender import SocketClosedError
from streamer.server.starlette_socket import StarletteSocket


class Transport:
    """The server's end of ASGI. `gone`: sending fails as it does when the peer is reset."""

    def __init__(self, *messages: Message) -> None:
        self.messages = [{"type": "websocket.connect"}, *messages]
        self.sent: list[Message] = []
        self.gone = False

    async def receive(self) -> Message:
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        if self.gone:
            raise OSError("reset")
        self.sent.append(message)


async def accepted(transport: Transport) -> StarletteSocket:
    websocket = WebSocket({"type": "websocket"}, transport.receive, transport.send)
    await websocket.accept()
    return StarletteSocket(websocket)


async def test_text_and_bytes_are_received_then_the_end() -> None:
    socket = await accepted(
        Transport(
            {"type": "websocket.receive", "text": ""},
            {"type": "websocket.receive", "bytes": b"x"},
            {"type": "websocket.disconnect", "code": 1006},
        )
    )
    assert await socket.receive() == ""
    assert await socket.receive() == b"x"
    for _ in range(2):
        with pytest.raises(SocketClosedError):
            await socket.receive()


async def test_sending_to_a_peer_that_is_gone() -> None:
    transport = Transport()
    socket = await accepted(transport)
    await socket.send("a")
    transport.gone = True
    for _ in range(2):
        with pytest.raises(SocketClosedError):
            await socket.send("b")
    await socket.close(1000, "")


async def test_closing_twice_is_quiet() -> None:
    transport = Transport()
    socket = await accepted(transport)
    await socket.close(4400, "bad")
    await socket.close(1001, "shutdown")
    assert [message.get("code") for message in transport.sent[1:]] == [4400]
    with pytest.raises(SocketClosedError):
        await socket.send("late")
