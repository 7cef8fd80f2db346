"""Speech services of agent frameworks, pointed at a streamer server; prints what they heard.

Runs in an environment of its own (`make agents`), as the frameworks bring another onnxruntime:
`python agent_clients.py SERVICE URL SPEECH.wav`, where the file is 16 kHz mono 16-bit. Prints JSON:
`final` texts, the number of `interim` ones, and what else the framework made of the messages.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import wave
from collections.abc import Callable, Coroutine
from typing import Any, Final

RATE: Final = 16_000
CHUNK_BYTES: Final = 3_200
PACE_S: Final = 0.025
"""Between chunks of 100 ms: four times as fast as speech."""
SETTLE_S: Final = 3.0
Heard = dict[str, Any]


async def pipecat(service: Any, chunks: list[bytes]) -> Heard:
    """The framework's own detector is left out: it is told when the user stops speaking."""
    from pipecat.frames.frames import (
        ErrorFrame,
        InputAudioRawFrame,
        InterimTranscriptionFrame,
        TranscriptionFrame,
        VADUserStartedSpeakingFrame,
        VADUserStoppedSpeakingFrame,
    )
    from pipecat.pipeline.worker import PipelineParams
    from pipecat.tests.utils import SleepFrame, run_test

    frames: list[Any] = [SleepFrame(0.5), VADUserStartedSpeakingFrame()]
    for chunk in chunks:
        frames += [InputAudioRawFrame(chunk, RATE, 1), SleepFrame(PACE_S)]
    frames += [VADUserStoppedSpeakingFrame(), SleepFrame(SETTLE_S)]
    down, up = await run_test(
        service,
        frames_to_send=frames,
        pipeline_params=PipelineParams(audio_in_sample_rate=RATE),
        start_timeout=20.0,
    )
    finals = [frame for frame in down if isinstance(frame, TranscriptionFrame)]
    return {
        "final": [frame.text for frame in finals],
        "finalized": [frame.finalized for frame in finals],
        "interim": sum(isinstance(frame, InterimTranscriptionFrame) for frame in down),
        "errors": [frame.error for frame in up if isinstance(frame, ErrorFrame)],
    }


async def pipecat_deepgram(url: str, chunks: list[bytes]) -> Heard:
    from pipecat.services.deepgram.stt import DeepgramSTTService

    return await pipecat(DeepgramSTTService(api_key="any", base_url=url), chunks)


async def pipecat_openai(url: str, chunks: list[bytes]) -> Heard:
    from pipecat.services.openai.stt import OpenAIRealtimeSTTService

    address = url.replace("http", "ws", 1) + "/v1/realtime"
    return await pipecat(OpenAIRealtimeSTTService(api_key="any", base_url=address), chunks)


async def livekit(stt: Any, chunks: list[bytes]) -> Heard:
    """The service finds the turns by itself."""
    from livekit import rtc
    from livekit.agents.stt import SpeechEventType

    events: list[Any] = []
    stream = stt.stream()

    async def listen() -> None:
        async for event in stream:
            events.append(event)

    listening = asyncio.create_task(listen())
    for chunk in [*chunks, *[bytes(CHUNK_BYTES)] * 20]:
        stream.push_frame(rtc.AudioFrame(chunk, RATE, 1, len(chunk) // 2))
        await asyncio.sleep(PACE_S)
    await asyncio.sleep(SETTLE_S)
    stream.end_input()
    await asyncio.wait({listening}, timeout=5)
    await stream.aclose()
    listening.cancel()
    by_type = [event.type for event in events]
    finals = [event for event in events if event.type is SpeechEventType.FINAL_TRANSCRIPT]
    words = [word for event in finals for word in event.alternatives[0].words or []]
    return {
        "final": [event.alternatives[0].text for event in finals],
        "interim": by_type.count(SpeechEventType.INTERIM_TRANSCRIPT),
        "started": by_type.count(SpeechEventType.START_OF_SPEECH),
        "ended": by_type.count(SpeechEventType.END_OF_SPEECH),
        "timed_words": len(words),
        "errors": [] if listening.cancelled() or not listening.done() else _failure(listening),
    }


def _failure(task: asyncio.Task[None]) -> list[str]:
    error = task.exception()
    return [] if error is None else [str(error)]


async def livekit_deepgram(url: str, chunks: list[bytes]) -> Heard:
    import aiohttp
    from livekit.plugins import deepgram

    async with aiohttp.ClientSession() as session:
        stt = deepgram.STT(api_key="any", base_url=f"{url}/v1/listen", http_session=session)
        return await livekit(stt, chunks)


async def livekit_openai(url: str, chunks: list[bytes]) -> Heard:
    from livekit.agents.utils import http_context
    from livekit.plugins import openai

    async with http_context.open():
        stt = openai.STT(api_key="any", base_url=f"{url}/v1", use_realtime=True)
        heard = await livekit(stt, chunks)
        await stt.aclose()
        return heard


SERVICES: Final[dict[str, Callable[[str, list[bytes]], Coroutine[Any, Any, Heard]]]] = {
    "pipecat-deepgram": pipecat_deepgram,
    "pipecat-openai": pipecat_openai,
    "livekit-deepgram": livekit_deepgram,
    "livekit-openai": livekit_openai,
}


def main() -> None:
    name, url, path = sys.argv[1:]
    with wave.open(path) as file:
        pcm = file.readframes(file.getnframes())
    chunks = [pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm), CHUNK_BYTES)]
    heard = asyncio.run(SERVICES[name](url.rstrip("/"), chunks))
    print(json.dumps(heard), flush=True)
    os._exit(0)  # the frameworks leave threads behind


if __name__ == "__main__":
    main()
