"""OpenAI's Realtime API for transcription (`/v1/realtime`), as it is and as it was in beta."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any, Final

from streamer.audio.pcm import SampleReader
from streamer.dialects.common.dialect import (
    Action,
    ChangeSession,
    Finalize,
    Send,
    StartSession,
    audio_from,
)
from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.openai.errors import error_dict
from streamer.dialects.openai.realtime_settings import (
    RealtimeSettings,
    as_object,
    updated,
    updated_beta,
)
from streamer.dialects.openai.realtime_view import RealtimeView
from streamer.protocol.errors import ProtocolError
from streamer.protocol.strict_json import StrictJsonError, read_object
from streamer.recognition.contract import SessionChange
from streamer.session.report import Report

_TYPES: Final = (
    "session.update, input_audio_buffer.append, input_audio_buffer.commit, input_audio_buffer.clear"
)
_MIN_COMMIT_MS: Final = 100.0
_MAX_EVENT_ID_CHARS: Final = 512  # OpenAI's own limit


class _RefusedError(Exception):
    """The client's event was not carried out; the session goes on."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


class RealtimeDialect:
    """One connection to `/v1/realtime`."""

    def __init__(self, settings: RealtimeSettings, offer: Offer, *, beta: bool) -> None:
        self._settings = settings
        self._offer = offer
        self._beta = beta
        self._session_id = f"sess_{secrets.token_hex(10)}"
        self._view = RealtimeView(beta=beta)
        self._samples: SampleReader | None = None
        """None until audio comes, which opens the session."""
        self._buffered_ms = 0.0
        """Audio since the last commit."""

    def on_connect(self) -> Iterator[Action]:
        yield self._send_session("created")

    def on_message(self, message: str | bytes) -> Iterator[Action]:
        event: dict[str, Any] = {}
        try:
            event = _read(message)
            yield from self._obey(event)
        except SettingError as error:
            yield self._send_error("invalid_value", error.message, event, error.setting)
        except _RefusedError as error:
            yield self._send_error(error.code, error.message, event, error.param)

    def on_event(self, report: Report, channel: int) -> Iterator[str]:
        for message in self._view.on_event(report):
            yield _dump(message)

    def on_end(self, received_samples: int) -> Iterator[str]:
        for message in self._view.on_end():
            yield _dump(message)

    def on_error(self, error: ProtocolError) -> Iterator[str]:
        yield _dump({"type": "error", "error": error_dict(error) | {"event_id": None}})

    def close_code(self, error: ProtocolError) -> int:
        return error.close_code

    def _obey(self, event: dict[str, Any]) -> Iterator[Action]:
        match event.get("type"):
            case "session.update":
                session = as_object("session", event.get("session"))
                yield from self._apply(updated(self._settings, session, self._offer))
                yield self._send_session("updated")
            case "transcription_session.update":
                session = as_object("session", event.get("session"))
                self._beta = self._view.beta = True
                yield from self._apply(updated_beta(self._settings, session, self._offer))
                yield self._send_session("updated")
            case "input_audio_buffer.append":
                yield from self._append(event)
            case "input_audio_buffer.commit":
                yield self._commit()
            case "input_audio_buffer.clear":
                yield from self._clear()
            case unknown:
                raise _RefusedError(
                    "unknown_event",
                    f"{unknown!r:.60} is nothing this server does, which only transcribes; send "
                    f"one of {_TYPES}",
                    "type",
                )

    def _apply(self, settings: RealtimeSettings) -> Iterator[Action]:
        if self._samples is not None:
            if not self._settings.may_become(settings):
                raise _RefusedError(
                    "session_in_use",
                    "format, model, language, include and silence_duration_ms are fixed once "
                    "audio has come; open another connection to change them",
                    "session",
                )
            options = settings.session_options(self._offer)
            yield ChangeSession(SessionChange(options.context, options.hot_words, options.turns))
        self._settings = settings
        self._view.turns, self._view.semantic = settings.turns, settings.eagerness is not None
        self._view.emotion = settings.emotion

    def _append(self, event: dict[str, Any]) -> Iterator[Action]:
        audio = event.get("audio")
        try:
            data = base64.b64decode(audio if isinstance(audio, str) else "?", validate=True)
        except ValueError:  # other characters too
            raise _RefusedError(
                "invalid_value", "audio must be a string of base64; this one was left out", "audio"
            ) from None
        if self._samples is None:
            yield StartSession(self._settings.rate, self._settings.session_options(self._offer))
            self._samples = SampleReader(self._settings.sample_format)
        audio = audio_from(self._samples, data)
        self._buffered_ms += len(audio.samples) * 1000 / self._settings.rate
        yield audio

    def _commit(self) -> Action:
        if self._buffered_ms < _MIN_COMMIT_MS:
            raise _RefusedError(
                "input_audio_buffer_commit_empty",
                f"the buffer holds {self._buffered_ms:.0f} ms of audio; send at least "
                f"{_MIN_COMMIT_MS:.0f} ms before a commit",
            )
        self._buffered_ms = 0.0
        self._view.expect("commit")
        return Finalize()

    def _clear(self) -> Iterator[Action]:
        self._buffered_ms = 0.0
        if self._samples is None:
            yield Send(_dump({"type": "input_audio_buffer.cleared"}))
            return
        self._view.expect("clear")
        yield Finalize()

    def _send_session(self, what: str) -> Send:
        if self._beta:
            session = self._settings.as_beta_session(self._session_id, self._offer)
            return Send(_dump({"type": f"transcription_session.{what}", "session": session}))
        session = self._settings.as_session(self._session_id, self._offer)
        return Send(_dump({"type": f"session.{what}", "session": session}))

    def _send_error(
        self, code: str, message: str, event: dict[str, Any], param: str | None
    ) -> Send:
        event_id = event.get("event_id")
        named = isinstance(event_id, str) and len(event_id) <= _MAX_EVENT_ID_CHARS
        error = {
            "type": "invalid_request_error",
            "code": code,
            "message": message,
            "param": param,
            "event_id": event_id if named else None,
        }
        return Send(_dump({"type": "error", "error": error}))


def _read(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise _RefusedError(
            "invalid_event", "send JSON text; audio goes base64 into input_audio_buffer.append"
        )
    try:
        return read_object(message)
    except StrictJsonError as error:
        raise _RefusedError(
            "invalid_json", f"the message {error}; send a JSON object with a type out of {_TYPES}"
        ) from error


def _dump(message: dict[str, Any]) -> str:
    return json.dumps({"event_id": f"event_{secrets.token_hex(10)}", **message})
