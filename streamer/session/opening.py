"""A recognizer for a new session."""

from __future__ import annotations

import logging

from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.recognition.contract import RecognizerFactory, SessionOptions, SpeechRecognizer
from streamer.runtime.tracing import SpanSink

logger = logging.getLogger(__name__)


def open_recognizer(
    factory: RecognizerFactory, options: SessionOptions, trace: SpanSink, session_id: str
) -> SpeechRecognizer:
    """Raises ProtocolError: the engine could not make one; why is in the log."""
    try:
        return factory.recognizer(options, trace)
    except Exception as error:
        logger.exception("session %s: no recognizer", session_id)
        raise ProtocolError(
            ErrorCode.INTERNAL, "the session could not be set up; try again later"
        ) from error
