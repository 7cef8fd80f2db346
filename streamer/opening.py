"""A recognizer for a new session."""

from __future__ import annotations

import logging

from streamer.inbound import ProtocolError
from streamer.latency import SpanSink
from streamer.protocol import ErrorCode
from streamer.recognizer_api import RecognizerFactory, SessionOptions, SpeechRecognizer

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
