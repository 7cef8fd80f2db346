"""Deepgram's `POST /v1/listen`: from the recording in the body to the answer."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from streamer.audio.arrays import Floats
from streamer.audio.files import AudioFileError, count_channels, read_blocks
from streamer.audio.pcm import SampleReader
from streamer.audio.resample import StreamResampler
from streamer.dialects.common.answer_headers import answer_headers
from streamer.dialects.common.file_session import BLOCK_SAMPLES, FileSession
from streamer.dialects.common.recordings import client_stayed, limited_body
from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.deepgram.errors import deepgram_refusal
from streamer.dialects.deepgram.recording_answer import Heard, RecordingAnswer
from streamer.dialects.deepgram.recording_settings import RawAudio, read_recording_settings
from streamer.dialects.deepgram.settings import MAX_CHANNELS, Wanted
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.server.stream_server import StreamServer
from streamer.session.failure import SessionFailedError
from streamer.session.places import Place
from streamer.session.report import Report
from streamer.session.runner import Take
from streamer.transcript.events import LanguageChanged, SegmentClosed

_JSON: Final = "application/json"


class Recordings:
    """The route, and what it needs of the server."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server

    async def listen(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        try:
            with ExitStack() as held, tempfile.NamedTemporaryFile() as file:
                refusal = self._server.refusal(request.headers, request.query_params, ())
                if refusal is not None:
                    raise refusal
                offer = Offer.of(self._server.engine, self._server.options)
                settings = read_recording_settings(request.query_params, offer)
                places = [self._reserve(held)]  # before a byte of the body is read
                created = datetime.now(UTC)
                sha256 = await self._save(request, file)
                recording = _Recording(Path(file.name), settings.raw)
                n_channels = await asyncio.to_thread(recording.count_channels)
                if settings.wanted.multichannel and n_channels > 1:
                    self._server.places.check(n_channels - 1, held=1)
                    places += [self._reserve(held) for _ in range(n_channels - 1)]
                sessions, channels = self._sessions(recording, settings.wanted, places)
                if not await self._run(request, sessions):
                    return Response(status_code=499)
        except ProtocolError as error:
            self._server.metrics.rejected.labels(error.code.value).inc()
            return deepgram_refusal(error, request_id)
        answer = RecordingAnswer(settings, request_id, created, sha256, n_channels)
        body = answer.body(channels, sessions[0].received_samples, self._server.engine.models)
        headers = answer_headers(settings.wanted.session.decoder, settings.wanted.warnings)
        return JSONResponse(body, headers=headers | {"dg-request-id": request_id})

    def _sessions(
        self, recording: _Recording, wanted: Wanted, places: Sequence[Place]
    ) -> tuple[list[FileSession], list[Heard]]:
        """One in each place, and what they will have heard."""
        heard = [Heard() for _ in places]
        sessions = [
            FileSession(
                recording.blocks(channel if wanted.multichannel else None),
                self._server.runner,
                wanted.session,
                _keeper(heard[channel]),
                place,
                self._server.options.max_upload_s,
            )
            for channel, place in enumerate(places)
        ]
        return sessions, heard

    def _reserve(self, held: ExitStack) -> Place:
        """Raises ProtocolError."""
        place = self._server.places.reserve()
        held.callback(place.release)
        return place

    async def _save(self, request: Request, file: IO[bytes]) -> str:
        """Put the body into a file; gives its SHA-256. Raises ProtocolError."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON:
            raise SettingError(
                "url", "nothing is fetched from elsewhere; send the recording itself as the body"
            )
        options = self._server.options
        sha256 = hashlib.sha256()
        try:
            async for chunk in limited_body(
                request, options.max_upload_bytes, options.body_timeout_s
            ):
                sha256.update(chunk)
                await asyncio.to_thread(file.write, chunk)
        except ClientDisconnect:
            raise SettingError("body", "was cut short; send the recording again") from None
        await asyncio.to_thread(file.flush)
        return sha256.hexdigest()

    async def _run(self, request: Request, sessions: Sequence[FileSession]) -> bool:
        """Returns when everything has been heard; False if the client left before.

        Raises:
            ProtocolError: the recording cannot be heard.
        """
        running = asyncio.create_task(self._hear(sessions))
        try:
            if await client_stayed(request, running):
                await running
                return True
        except SessionFailedError as error:
            raise ProtocolError(ErrorCode.INTERNAL, str(error)) from error
        finally:
            running.cancel()
            await asyncio.wait({running})
        return False

    async def _hear(self, sessions: Sequence[FileSession]) -> None:
        """All, or none: if one breaks the others end. Raises what broke it."""
        hearing = [asyncio.create_task(self._server.hold(session)) for session in sessions]
        try:
            await asyncio.gather(*hearing)
        finally:
            for task in hearing:
                task.cancel()
            await asyncio.wait(hearing)


class _Recording:
    """The body in a file. All that reads it raises SettingError if it cannot be read."""

    def __init__(self, path: Path, raw: RawAudio | None) -> None:
        self._path = path
        self._raw = raw

    def count_channels(self) -> int:
        if self._raw is not None:
            return self._raw.channels
        with self._told():
            channels = count_channels(self._path)
        if channels > MAX_CHANNELS:
            raise SettingError("body", f"has {channels} channels; send at most {MAX_CHANNELS}")
        return channels

    def blocks(self, channel: int | None) -> Generator[Floats, None, None]:
        """Of one channel, or of all mixed; 16 kHz."""
        with self._told():
            if self._raw is None:
                yield from read_blocks(self._path, BLOCK_SAMPLES, channel)
            else:
                yield from _raw_blocks(self._path, self._raw, channel)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Without the path, which is none of the client's business."""
        try:
            yield
        except AudioFileError as error:
            reason = str(error).removeprefix(f"{self._path}: ")
            raise SettingError("body", reason) from error


def _raw_blocks(path: Path, raw: RawAudio, channel: int | None) -> Iterator[Floats]:
    reader = SampleReader(raw.sample_format, raw.channels, mixed=channel is None)
    resampler = StreamResampler(raw.rate)
    with path.open("rb") as file:
        while data := file.read(raw.sample_format.width * raw.channels * BLOCK_SAMPLES):
            samples = reader.read(data)
            yield resampler.push(samples if channel is None else samples[:, channel])
    yield resampler.flush()


def _keeper(heard: Heard) -> Take:
    async def keep(report: Report) -> None:
        event = report.event
        if isinstance(event, SegmentClosed) and event.segment.words:
            heard.segments.append(event.segment)
        elif isinstance(event, LanguageChanged):
            heard.language = event

    return keep
