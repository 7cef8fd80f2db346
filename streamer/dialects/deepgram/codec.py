"""Deepgram's live protocol, version 1 (`/v1/listen`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from streamer.audio.pcm import SampleReader
from streamer.dialects.common.dialect import (
    Action,
    Close,
    Encoded,
    EndSession,
    Finalize,
    Send,
    StartSession,
    audio_from,
)
from streamer.dialects.common.formatting import seconds, utc_text
from streamer.dialects.deepgram.settings import DeepgramSettings
from streamer.dialects.deepgram.view import DeepgramView
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.protocol.strict_json import StrictJsonError, read_object
from streamer.session.report import Report

_TYPES: Final = "KeepAlive, Finalize, CloseStream"
_NAMES: Final = {
    # Deepgram's own names.
    ErrorCode.IDLE_TIMEOUT: "NET-0001",
    ErrorCode.BAD_MEDIA: "DATA-0000",
}

_CLOSED: Final = {ErrorCode.IDLE_TIMEOUT: 1011, ErrorCode.BAD_MEDIA: 1008}
"""As Deepgram closes."""


class DeepgramDialect:
    """One connection to `/v1/listen`."""

    def __init__(self, settings: DeepgramSettings, request_id: str, models: dict[str, str]) -> None:
        self._settings = settings
        self._request_id = request_id
        self._views = [
            DeepgramView(settings, request_id, models, channel)
            for channel in range(settings.n_sessions)
        ]
        self._samples = None
        if settings.sample_format is not None:
            mixed = settings.n_sessions == 1
            self._samples = SampleReader(settings.sample_format, settings.channels, mixed=mixed)
        self._sha256 = hashlib.sha256()
        self._created = datetime.now(UTC)

    def on_connect(self) -> Iterator[Action]:
        settings = self._settings
        yield StartSession(
            settings.sample_rate,
            settings.wanted.session,
            settings.n_sessions,
            container=settings.sample_format is None,
        )

    def on_message(self, message: str | bytes) -> Iterator[Action]:
        if isinstance(message, bytes):
            self._sha256.update(message)
            if not message:  # the end of the audio, in Deepgram's older form
                yield from _CLOSE
            elif self._samples is None:
                yield Encoded(message)
            else:
                yield audio_from(self._samples, message)
            return
        match _type_of(message):
            case "KeepAlive":
                pass
            case "Finalize":
                yield Finalize()
            case "CloseStream":
                yield from _CLOSE
            case "Configure":
                yield Send(json.dumps(self._configure_failure()))
            case _:
                yield Send(
                    _error(
                        "SchemaError",
                        f"this is no message of the live protocol; send one of {_TYPES} as JSON "
                        "text, and audio as binary",
                        message[:200],
                    )
                )

    def on_event(self, report: Report, channel: int) -> Iterator[str]:
        for message in self._views[channel].on_event(report):
            yield json.dumps(message)

    def on_end(self, received_samples: int) -> Iterator[str]:
        for view in self._views:
            for message in view.on_end():
                yield json.dumps(message)
        yield json.dumps(self._metadata(received_samples))

    def on_error(self, error: ProtocolError) -> Iterator[str]:
        name = _NAMES.get(error.code, error.code.value.upper())
        yield _error(name, error.message, error.message)

    def close_code(self, error: ProtocolError) -> int:
        return _CLOSED.get(error.code, error.close_code)

    def _configure_failure(self) -> dict[str, Any]:
        return {
            "type": "ConfigureFailure",
            "request_id": self._request_id,
            "code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED",
            "description": "key terms are fixed when a stream begins; open another with keyterm=",
        }

    def _metadata(self, received_samples: int) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request_id,
            "sha256": self._sha256.hexdigest(),
            "created": utc_text(self._created),
            "duration": seconds(received_samples),
            "channels": self._settings.channels,
            # Ours.
            "lost_samples": sum(view.lost_samples for view in self._views),
            "warnings": list(self._settings.wanted.warnings),
        }


_CLOSE: Final[tuple[Action, ...]] = (EndSession(), Close())


def _type_of(message: str) -> str | None:
    try:
        found = read_object(message).get("type")
    except StrictJsonError:
        return None
    return found if isinstance(found, str) else None


def _error(variant: str, description: str, message: str) -> str:
    return json.dumps(
        {"type": "Error", "variant": variant, "description": description, "message": message}
    )
