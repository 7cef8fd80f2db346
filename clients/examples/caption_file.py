"""Captions a recording, printing each segment as soon as it is final.

python -m streamer.client.examples.caption_file talk.mp3 [localhost:8765]
"""

from __future__ import annotations

import asyncio
import sys

from streamer.client import Client, StartMessage, connect
from streamer.client.files import Recording, open_recording
from streamer.protocol.messages import SegmentEvent


async def main(path: str, address: str = "localhost:8765") -> None:
    with open_recording(path) as recording:
        # live=False: it may take its time, and nothing may be lost.
        settings = StartMessage(sample_rate=recording.sample_rate, live=False)
        async with connect(address, settings) as client:
            sending = asyncio.create_task(send(client, recording))
            async for event in client:
                if isinstance(event, SegmentEvent) and event.emotion is not None:
                    print(f"{event.start_ms / 1000:7.2f}  {event.emotion.label:8}  {event.text}")
            await sending


async def send(client: Client, recording: Recording) -> None:
    for samples in recording.chunks():
        await client.send_audio(samples)  # waits while the server is behind
    await client.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
