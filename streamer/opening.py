"""A recognizer for a client that is no native one."""

from __future__ import annotations

import logging

from streamer.inbound import ProtocolError
from streamer.latency import LatencyTrace
from streamer.protocol import ErrorCode
from streamer.recognizer_api import RecognizerFactory, SessionOptions, SpeechRecognizer

logger = logging.getLogger(__name__)


def open_recognizer(
    factory: RecognizerFactory, options: SessionOptions, trace: LatencyTrace
) -> SpeechRecognizer:
    """Raises ProtocolError: the engine could not make one; why is in the log."""
    try:
        return factory.recognizer(options, trace)
    except Exception as error:
        logger.exception("no recognizer")
        raise ProtocolError(
            ErrorCode.INTERNAL, "the session could not be set up; try again later"
        ) from error
