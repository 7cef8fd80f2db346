"""Reads along with a session that somebody else speaks in.

The speaker's program finds the id in `client.ready.follow_id`; the caption page copies an address
that holds it.

python -m streamer.client.examples.follow_session FOLLOW_ID [localhost:8765]
"""

from __future__ import annotations

import asyncio
import sys

from streamer.client import ServerRefusedError
from streamer.client.follow import follow
from streamer.protocol.messages import SegmentEvent


async def main(follow_id: str, address: str = "localhost:8765") -> None:
    try:
        async with follow(follow_id, address) as follower:
            async for event in follower:
                if isinstance(event, SegmentEvent):
                    print(event.text, flush=True)
    except ServerRefusedError as error:
        sys.exit(error.message)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
