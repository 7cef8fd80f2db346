"""What somebody is known by later: the sound of a voice in, numbers out. Nothing of it is kept."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.audio.files import AudioFileError, read_blocks
from streamer.protocol.errors import ProtocolError
from streamer.protocol.voice_prints import voice_text
from streamer.recognition.contract import RecognizerFactory
from streamer.recognition.speakers.enrolment import LONGEST_MS, NoVoiceError
from streamer.server.requests.small_body import RefusedRequestError, check_access, small_body
from streamer.server.stream_server import StreamServer

MAX_BYTES: Final = 6 * 2**20
"""30 s of two channels at 48 kHz, of 16 bits."""


class VoicePrints:
    """`POST /v1/voice`: a recording of one person in, `{"voice": …}` out. For those who may speak;
    it takes a session's place meanwhile."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server

    async def make(self, request: Request) -> Response:
        try:
            check_access(self._server, request)
            try:
                place = self._server.places.reserve()
            except ProtocolError as error:
                raise RefusedRequestError.of(error) from error
            try:
                body = await small_body(self._server, request, MAX_BYTES, "a recording")
                voice = await asyncio.to_thread(
                    recorded_voice, self._server.engine, body, "the recording"
                )
            finally:
                place.release()
        except RefusedRequestError as error:
            return error.answer
        except (AudioFileError, NoVoiceError) as error:
            return RefusedRequestError(str(error), 400).answer
        return JSONResponse({"voice": voice_text(voice)}, headers={"cache-control": "no-store"})


def recorded_voice(engine: RecognizerFactory, recording: bytes, name: str) -> Floats:
    """The voice print of whoever speaks in a recording, of any format. Blocks.

    Args:
        name: of the recording, for messages.

    Raises:
        AudioFileError: it cannot be heard.
        NoVoiceError: too little is said in it.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(recording)
        file.flush()
        left = samples_from_ms(LONGEST_MS)
        heard = []
        try:
            with closing(read_blocks(Path(file.name))) as blocks:
                for block in blocks:
                    heard.append(block[:left])
                    left -= len(heard[-1])
                    if left <= 0:
                        break
        except AudioFileError as error:
            raise AudioFileError(str(error).replace(file.name, name)) from error
    return engine.voice_print(np.concatenate(heard))
