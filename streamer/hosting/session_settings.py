"""What a native client asks for, as a session takes it."""

from __future__ import annotations

from streamer.hosting.options import EmotionPolicy
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ConfigureMessage, ErrorCode, StartMessage
from streamer.protocol.turns import TurnSettings
from streamer.protocol.voice_prints import voice_numbers
from streamer.recognition.contract import USUAL_SPEAKERS, Decoder, SessionChange, SessionOptions
from streamer.recognition.turns.options import TurnOptions
from streamer.transcript.written.options import WritingOptions


def session_options(
    start: StartMessage, decoder: Decoder, language: str, *, emotion: bool
) -> SessionOptions:
    """
    Args:
        decoder, language, emotion: what the server gives for what was asked.

    Raises:
        ProtocolError: settings that do not go together.
    """
    if start.known_voices and not start.speakers:
        raise ProtocolError(
            ErrorCode.BAD_CONFIG,
            "known_voices: nobody is told apart; send speakers, too, or leave it out",
        )
    return SessionOptions(
        decoder=decoder,
        context=start.context,
        hot_words=start.hot_words,
        emotion=emotion,
        sounds=start.sounds,
        silence_ms=start.silence_ms,
        language=language,
        task=start.task,
        speakers=_most_speakers(start),
        known_voices=tuple(map(voice_numbers, start.known_voices)),
        writing=WritingOptions(start.numbers, start.profanity_filter, frozenset(start.redact)),
        turns=turn_options(start.turns),
        keep_echo=start.keep_echo,
    )


def _most_speakers(start: StartMessage) -> int:
    if isinstance(start.speakers, bool):
        return USUAL_SPEAKERS if start.speakers else 0
    return start.speakers


def turn_options(settings: TurnSettings | None) -> TurnOptions | None:
    """None stays None: nobody asks for turns."""
    if settings is None:
        return None
    return TurnOptions(settings.threshold, settings.eager_threshold, settings.timeout_ms)


def session_change(message: ConfigureMessage) -> SessionChange:
    return SessionChange(message.context, message.hot_words, turn_options(message.turns))


def tells_emotion(policy: EmotionPolicy, start: StartMessage) -> bool:
    """Whether a session tells emotions on a server that has this policy."""
    match policy:
        case "off":
            return False
        case "opt-in":
            return start.emotion is True
        case "on":
            return start.emotion is not False
