"""Deepgram Flux (`/v2/listen`): captions for programs that answer, turn by turn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from streamer.audio.pcm import SampleReader
from streamer.dialects.common.dialect import (
    Action,
    ChangeSession,
    Close,
    EndSession,
    Finalize,
    Send,
    StartSession,
    audio_from,
)
from streamer.dialects.common.settings import SettingError
from streamer.dialects.deepgram.flux_settings import FluxSettings, read_change
from streamer.dialects.deepgram.flux_view import FluxView
from streamer.protocol.errors import ProtocolError
from streamer.protocol.strict_json import StrictJsonError, read_object
from streamer.session.report import Report

_TYPES: Final = "Configure, ForceEndTurn, CloseStream"


class FluxDialect:
    """One connection to `/v2/listen`."""

    def __init__(self, settings: FluxSettings, request_id: str) -> None:
        self._settings = settings
        self._request_id = request_id
        self._view = FluxView(
            detects_language=settings.session.language == "auto",
            tells_emotion=settings.session.emotion,
        )
        self._samples = SampleReader(settings.sample_format)
        self._sequence_id = 0

    def on_connect(self) -> Iterator[Action]:
        yield Send(self._dump({"type": "Connected"}))
        yield StartSession(self._settings.sample_rate, self._settings.session)

    def on_message(self, message: str | bytes) -> Iterator[Action]:
        if isinstance(message, bytes):
            yield audio_from(self._samples, message)
            return
        try:
            asked = read_object(message)
        except StrictJsonError:
            asked = {}
        match asked.get("type"):
            case "ForceEndTurn":
                yield Finalize()
            case "CloseStream":
                yield EndSession()
                yield Close()
            case "Configure":
                yield from self._configure(asked)
            case _:
                warning = {
                    "type": "Warning",
                    "code": "UNKNOWN_MESSAGE",
                    "description": f"this is no message of Flux; send one of {_TYPES} as JSON "
                    "text, and audio as binary",
                }
                yield Send(self._dump(warning))

    def on_event(self, report: Report, channel: int) -> Iterator[str]:
        for message in self._view.on_event(report):
            yield self._dump(message)

    def on_end(self, received_samples: int) -> Iterator[str]:
        yield from ()

    def on_error(self, error: ProtocolError) -> Iterator[str]:
        code = error.code.value.upper()
        yield self._dump({"type": "Error", "code": code, "description": error.message})

    def close_code(self, error: ProtocolError) -> int:
        return error.close_code

    def _configure(self, asked: Mapping[str, Any]) -> Iterator[Action]:
        try:
            change = read_change(self._settings, asked)
        except SettingError as error:
            failure = {
                "type": "ConfigureFailure",
                "code": "INVALID_CONFIGURATION",
                "description": error.message,
            }
            yield Send(self._dump(failure))
            return
        self._settings = self._settings.changed(change)
        yield ChangeSession(change)
        success = {
            "type": "ConfigureSuccess",
            "thresholds": self._settings.thresholds,
            "keyterms": list(self._settings.session.hot_words),
        }
        yield Send(self._dump(success))

    def _dump(self, message: dict[str, Any]) -> str:
        numbers = {"request_id": self._request_id, "sequence_id": self._sequence_id}
        self._sequence_id += 1
        return json.dumps({**message, **numbers})
