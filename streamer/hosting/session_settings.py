"""What a native client asks for, as a session takes it."""

from __future__ import annotations

from streamer.protocol.messages import ConfigureMessage
from streamer.protocol.turns import TurnSettings
from streamer.recognition.contract import SessionChange
from streamer.recognition.turns.options import TurnOptions


def turn_options(settings: TurnSettings | None) -> TurnOptions | None:
    """None stays None: nobody asks for turns."""
    if settings is None:
        return None
    return TurnOptions(settings.threshold, settings.eager_threshold, settings.timeout_ms)


def session_change(message: ConfigureMessage) -> SessionChange:
    return SessionChange(message.context, message.hot_words, turn_options(message.turns))
