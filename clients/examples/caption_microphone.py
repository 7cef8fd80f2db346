"""Captions the microphone for a while, printing words as they are committed.

python -m streamer.client.examples.caption_microphone [localhost:8765] [seconds]
"""

from __future__ import annotations

import asyncio
import sys

from streamer.client import Client, StartMessage, connect
from streamer.client.microphone import Microphone, audio_system, choose_device
from streamer.protocol.messages import SegmentEvent, WordsEvent


async def main(address: str = "localhost:8765", seconds: str = "30") -> None:
    system = audio_system()
    async with (
        Microphone(system, choose_device(system, None)) as microphone,
        connect(address, StartMessage(sample_rate=microphone.sample_rate)) as client,
    ):
        showing = asyncio.create_task(show(client))
        try:
            async with asyncio.timeout(float(seconds)):
                async for chunk in microphone:
                    client.skip_audio(chunk.lost_before)
                    await client.send_audio(chunk.samples, chunk.capture_time_ms)
        except TimeoutError:
            await client.stop()  # waits for the last words
        await showing


async def show(client: Client) -> None:
    async for event in client:
        if isinstance(event, WordsEvent):
            for word in event.words:
                if word.state == "committed":  # each once; tentative ones may change
                    print(word.text, end=" ", flush=True)
        elif isinstance(event, SegmentEvent) and event.emotion is not None:
            print(f"({event.emotion.label})")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
