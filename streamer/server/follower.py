"""A client that follows somebody's session, read-only."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from streamer.hosting.follow_ids import session_key
from streamer.hosting.options import ServerOptions
from streamer.hosting.resumable_session import Following, ResumableSession, SlowFollowerError
from streamer.protocol.errors import CLOSE_CODES, ProtocolError, broken
from streamer.protocol.messages import ErrorCode, FollowingEvent
from streamer.recognition.contract import Decoder
from streamer.runtime.faults import fault_line
from streamer.runtime.metrics import ServerMetrics
from streamer.server.native_view import wire_event
from streamer.server.sender import Sender, Socket, SocketClosedError

logger = logging.getLogger(__name__)

_BEAT_S: Final = 10.0
"""Where nothing is said for longer, the connection is dead."""


class Follower:
    """One follower's connection: the newest captions, then events as they happen. `run` once."""

    def __init__(self, socket: Socket, options: ServerOptions, metrics: ServerMetrics) -> None:
        self._socket = socket
        self._options = options
        self._metrics = metrics
        self._sender = Sender(socket, options.send_timeout_s, metrics)

    async def run(self, hosted: ResumableSession, decoder: Decoder) -> None:
        """Follow until the session ends, the follower leaves, errs, or reads too slowly."""
        options = self._options
        following = hosted.follow(options.followed_segments, options.follower_events)
        self._metrics.followers.inc()
        try:
            await self._follow(hosted, following, decoder)
        except ProtocolError as error:
            await self.refuse(error)
        except SocketClosedError:
            logger.info("a follower of session %s left", hosted.id)
        except asyncio.CancelledError:  # the grace period of a shutdown is over
            await self._sender.close(CLOSE_CODES[ErrorCode.SHUTTING_DOWN], "shutdown")
            raise
        except Exception as error:  # noqa: BLE001 - whatever broke, the follower gets an answer
            logger.error("a follower's connection broke: %s", fault_line(error))
            await self.refuse(broken())
        finally:
            hosted.unfollow(following)
            self._metrics.followers.dec()

    async def refuse(self, error: ProtocolError) -> None:
        """Tell the follower why, and close."""
        try:
            await self._sender.send_error(error)
        except SocketClosedError:
            return
        await self._sender.close(error.close_code, error.code.value)

    async def _follow(
        self, hosted: ResumableSession, following: Following, decoder: Decoder
    ) -> None:
        listening = asyncio.create_task(self._listen())
        writing = asyncio.create_task(self._write(hosted, following, decoder))
        beating = asyncio.create_task(self._beat(hosted))
        tasks = (writing, listening, beating)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _listen(self) -> None:
        """Raises SocketClosedError when the follower leaves, ProtocolError if it speaks."""
        await self._socket.receive()
        raise ProtocolError(
            ErrorCode.BAD_MESSAGE, "whoever follows only listens; send nothing on this connection"
        )

    async def _beat(self, hosted: ResumableSession) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            if hosted.running is not None:
                await self._sender.send(hosted.running.run.stats.latency())

    async def _write(
        self, hosted: ResumableSession, following: Following, decoder: Decoder
    ) -> None:
        await self._sender.send(
            FollowingEvent(
                follow_id=hosted.follow_id,
                session_key=session_key(hosted.id),
                decoder=decoder,
                first_word_id=following.first_word_id,
                channels=hosted.start.channels,
            )
        )
        try:
            async for report in following.events:
                event = wire_event(report)
                if event is not None:
                    await self._sender.send(event)
        except SlowFollowerError:
            raise ProtocolError(
                ErrorCode.SLOW_FOLLOWER,
                f"more than {self._options.follower_events} events lay unread; connect again "
                "and read faster",
            ) from None
        bye = hosted.bye("replaced")
        await self._sender.send(bye)
        await self._sender.close(1000, bye.reason)
