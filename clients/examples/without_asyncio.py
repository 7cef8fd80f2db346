"""Captions a recording from a program without asyncio: at once, then live with events.

python -m streamer.client.examples.without_asyncio talk.mp3 [localhost:8765]
"""

from __future__ import annotations

import sys
import threading

from streamer.client import ClientError, StartMessage
from streamer.client.blocking import BlockingClient, connect, transcribe
from streamer.client.files import Recording, RecordingError, open_recording
from streamer.protocol.messages import EmotionEvent


def main(path: str, address: str = "localhost:8765") -> None:
    print(transcribe(path, address).text)

    with open_recording(path) as recording:
        settings = StartMessage(sample_rate=recording.sample_rate, live=False)
        with connect(address, settings) as client:
            # One thread sends while this one looks at what comes.
            sending = threading.Thread(target=send, args=(client, recording))
            sending.start()
            for event in client:
                if isinstance(event, EmotionEvent):
                    print(f"{event.end_ms / 1000:7.2f}  {event.emotion.label}")
            sending.join()
        print(client.transcript.text)


def send(client: BlockingClient, recording: Recording) -> None:
    for samples in recording.chunks():
        client.send_audio(samples)
    client.stop()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ClientError, RecordingError) as error:
        sys.exit(f"error: {error}")
