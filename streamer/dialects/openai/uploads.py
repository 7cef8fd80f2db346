"""`POST /v1/audio/transcriptions`: from the upload to the answer, whole or streamed."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from streamer.audio.files import AudioFileError, read_blocks
from streamer.dialects.common.file_session import BLOCK_SAMPLES, FileSession
from streamer.dialects.common.formatting import text_of
from streamer.dialects.common.recordings import client_stayed, limited_body
from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.openai.errors import openai_refusal
from streamer.dialects.openai.files import (
    FileSettings,
    answer,
    delta_event,
    done_event,
    error_event,
    read_form,
    segment_event,
)
from streamer.dialects.openai.known_speakers import known_voices
from streamer.models.whisper.contract import Task
from streamer.protocol.errors import ProtocolError
from streamer.protocol.joining import gap
from streamer.protocol.messages import ErrorCode
from streamer.recognition.languages import ENGLISH
from streamer.runtime.bounded_queue import BoundedQueue
from streamer.server.stream_server import StreamServer
from streamer.session.failure import SessionFailedError
from streamer.session.places import Place
from streamer.session.report import Report
from streamer.transcript.events import LanguageChanged, SegmentClosed, WordsUpdate
from streamer.transcript.ledger import Segment

_MAX_FIELDS: Final = 256
"""A hundred keywords, and all other fields."""
_MAX_FIELD_BYTES: Final = 3 * 2**20
"""Ten seconds of a known speaker: two channels at 48 kHz in base64."""
_MAX_FIELDS_BYTES: Final = 4 * _MAX_FIELD_BYTES
"""Of all fields of a form together, which are in memory."""
_CHARSETS: Final = frozenset({b"utf-8", b"utf8", b"us-ascii", b"iso-8859-1"})
"""A client that names another may choose any of Python's codecs, and some of them yield text that
cannot be written out again."""


class Uploads:
    """The route, and what it needs of the server."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server

    async def transcribe(self, request: Request) -> Response:
        return await self._serve(request, "transcribe")

    async def translate(self, request: Request) -> Response:
        """Into English."""
        return await self._serve(request, "translate")

    async def _serve(self, request: Request, task: Task) -> Response:
        try:
            self._admit(request)
            place = self._server.places.reserve()  # before a byte of the body is read
        except ProtocolError as error:
            return self._refuse(error)
        try:
            form = await self._form(request)
            try:
                recording, settings = await self._read(form, task)
            finally:
                await form.close()
        except ProtocolError as error:
            place.release()
            return self._refuse(error)
        except BaseException:
            place.release()
            raise
        transcription = _Transcription(self._server, recording, settings, place)
        if settings.stream:
            return _EventStream(transcription, settings.headers)
        async with transcription:
            return await transcription.answer(request)

    def _refuse(self, error: ProtocolError) -> Response:
        self._server.metrics.rejected.labels(error.code.value).inc()
        return openai_refusal(error)

    def _admit(self, request: Request) -> None:
        """Raises ProtocolError."""
        refusal = self._server.refusal(request.headers, request.query_params, ())
        if refusal is not None:
            raise refusal

    async def _form(self, request: Request) -> FormData:
        """Raises SettingError, ProtocolError."""
        options = self._server.options
        kind, parameters = parse_options_header(request.headers.get("content-type", ""))
        if kind != b"multipart/form-data":
            raise SettingError("file", "send the recording as multipart/form-data")
        if parameters.get(b"charset", b"utf-8").lower() not in _CHARSETS:
            raise SettingError("file", "the form is not in UTF-8; send it so, and name no charset")
        body = limited_body(request, options.max_upload_bytes, options.body_timeout_s)
        parser = _FormParser(
            request.headers,
            body,
            max_files=1,
            max_fields=_MAX_FIELDS,
            max_part_size=_MAX_FIELD_BYTES,
        )
        try:
            return await parser.parse()
        except MultiPartException as error:
            raise SettingError("file", f"the form cannot be read: {error.message}") from error
        except (KeyError, ClientDisconnect) as error:
            raise SettingError("file", "the form has no boundary, or was cut short") from error

    async def _read(self, form: FormData, task: Task) -> tuple[_Recording, FileSettings]:
        """Raises SettingError."""
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise SettingError("file", "is missing; send the recording as a file")
        fields = {name: [v for v in form.getlist(name) if isinstance(v, str)] for name in form}
        offer = Offer.of(self._server.engine, self._server.options)
        settings = read_form(fields, offer, task)
        if settings.known_speakers:
            engine, known = self._server.engine, settings.known_speakers
            session = await asyncio.to_thread(known_voices, engine, settings.session, known)
            settings = replace(settings, session=session)
        name = upload.filename or "upload"
        return await asyncio.to_thread(_Recording, upload.file, name), settings


class _FormParser(MultiPartParser):
    """Bounds what all fields take together."""

    _n_field_bytes = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self._n_field_bytes += end - start
            if self._n_field_bytes > _MAX_FIELDS_BYTES:
                raise MultiPartException(f"its fields take more than {_MAX_FIELDS_BYTES} bytes")
        super().on_part_data(data, start, end)


class _Recording:
    """The upload in a file of its own, as long as it is needed. What is in it tells its format."""

    def __init__(self, upload: IO[bytes], name: str) -> None:
        self.name = name
        self._file = tempfile.NamedTemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(upload, self._file)
        self._file.flush()
        self.path = Path(self._file.name)

    def close(self) -> None:
        self._file.close()


class _Transcription:
    """One recording through a session."""

    def __init__(
        self, server: StreamServer, recording: _Recording, settings: FileSettings, place: Place
    ) -> None:
        self._server = server
        self._recording = recording
        self._settings = settings
        self._segments: list[Segment] = []
        self._said = ""
        self._language = settings.session.language or ENGLISH
        self._deltas: BoundedQueue[str] = BoundedQueue(server.options.outbox_events)
        self._session = FileSession(
            read_blocks(recording.path, BLOCK_SAMPLES),
            server.runner,
            settings.session,
            self._take,
            place,
            server.options.max_upload_s,
        )
        self._place = place
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> _Transcription:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Whatever happened: nothing runs on, the place and the file are given back."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        self._recording.close()
        self._place.release()

    async def answer(self, request: Request) -> Response:
        """The whole answer; given up if the client leaves."""
        running = self._running = asyncio.create_task(self._run())
        try:
            if not await client_stayed(request, running):
                return Response(status_code=499)
            await running
        except ProtocolError as error:
            return openai_refusal(error)
        body, media_type = answer(
            self._settings, self._segments, self._session.received_samples, self._language
        )
        return Response(body, headers=self._settings.headers, media_type=media_type)

    async def stream(self) -> AsyncIterator[str]:
        """Server-sent events."""
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(self._close_deltas)
        try:
            async for event in self._deltas:
                yield event
            yield done_event(self._settings, self._segments, self._session.received_samples)
        except ProtocolError as error:
            yield error_event(error)

    def _close_deltas(self, running: asyncio.Task[None]) -> None:
        error = None if running.cancelled() else running.exception()
        self._deltas.close(error if isinstance(error, Exception) else None)

    async def _run(self) -> None:
        """Raises ProtocolError."""
        try:
            await self._server.hold(self._session)
        except AudioFileError as error:
            said = str(error).replace(str(self._recording.path), self._recording.name)
            raise SettingError("file", said) from error
        except SessionFailedError as error:
            raise ProtocolError(ErrorCode.INTERNAL, str(error)) from error

    async def _take(self, report: Report) -> None:
        event = report.event
        if isinstance(event, SegmentClosed) and event.segment.words:
            self._segments.append(event.segment)
            if self._settings.stream and self._settings.session.speakers:
                await self._deltas.room()
                n = len(self._segments) - 1
                self._deltas.put(segment_event(self._settings, event.segment, n))
        elif isinstance(event, WordsUpdate) and event.committed and self._settings.stream:
            await self._deltas.room()
            text = text_of(event.committed)
            delta = gap(self._said, text) + text
            self._deltas.put(delta_event(self._settings, delta, event.committed))
            self._said = text
        elif isinstance(event, LanguageChanged):
            self._language = event.language


class _EventStream(StreamingResponse):
    """Ends the transcription with the response, even if nobody has read a byte of it."""

    def __init__(self, transcription: _Transcription, headers: Mapping[str, str]) -> None:
        super().__init__(transcription.stream(), headers=headers, media_type="text/event-stream")
        self._transcription = transcription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._transcription:
            await super().__call__(scope, receive, send)
