"""Messages as a stranger might send them: sound ones, and what becomes of those when values, keys,
characters and bytes are exchanged."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from hypothesis import strategies as st

from streamer.protocol.frames import HEADER, encode_frame
from streamer.protocol.messages import Encoding
from tests.fakes import silence, tone

MARK: Final = "Quetzalcoatl"
"""Stands in everything that a client might not want to see in a log."""
_SOUND: Final = (tone(0.6) * 32_767).astype("<i2").tobytes()
_AUDIO: Final = base64.b64encode(_SOUND).decode()
_SHAPE: Final = {"rate": 16_000, "width": 2, "channels": 1}
_TRANSCRIPTION: Final = {"model": "whisper-1", "language": "en", "prompt": MARK, "keywords": [MARK]}
_INPUT: Final = {
    "format": {"type": "audio/pcm", "rate": 16_000},
    "transcription": _TRANSCRIPTION,
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
}
_BETA: Final = {
    "input_audio_format": "pcm16",
    "input_audio_transcription": _TRANSCRIPTION,
    "turn_detection": None,
}

SEEDS: Final[dict[str, list[dict[str, Any]]]] = {
    "deepgram": [
        {"type": "KeepAlive"},
        {"type": "Finalize"},
        {"type": "Configure", "keyterms": [MARK]},
        {"type": "CloseStream"},
    ],
    "realtime": [
        {
            "type": "session.update",
            "session": {"type": "transcription", "audio": {"input": _INPUT}},
        },
        {"type": "transcription_session.update", "session": _BETA},
        {"type": "input_audio_buffer.append", "audio": _AUDIO, "event_id": MARK},
        {"type": "input_audio_buffer.commit", "event_id": MARK},
        {"type": "input_audio_buffer.clear", "event_id": MARK},
    ],
    "wyoming": [
        {"type": "transcribe", "data": {"language": "en", "transcript_names": [MARK]}},
        {"type": "audio-start", "data": _SHAPE},
        {"type": "audio-chunk", "data": _SHAPE},
        {"type": "audio-stop", "data": {}},
        {"type": "audio-chunk", "data": _SHAPE, "data_length": 2, "payload_length": 19_200},
        {"type": "ping", "data": {"text": MARK}},
        {"type": "describe"},
    ],
    "native": [
        {"type": "start", "context": MARK, "hot_words": [MARK], "silence_ms": 500.0},
        {"type": "start", "sample_rate": 16_000, "share_secret": MARK * 2, "live": True},
        {"type": "resume", "session_id": MARK, "resume_token": MARK, "last_seq": 3},
        {"type": "finalize"},
        {"type": "stop"},
    ],
}
SEEDS["realtime beta"] = SEEDS["realtime"]

HALF: Final = st.sampled_from(["\ud800", "\udfff", f"{MARK}\udc00", "a\ud83d"])
NUMBERS: Final = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, -(2**64), 10**30, 0.5, 1e308, float("nan"), float("inf")]
)
SCALARS: Final = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.integers(), st.floats(), st.text(max_size=20), HALF,
    st.sampled_from(["", MARK, "en" + "_a" * 40 + "!", "a" * 5_000, "\0", "é" * 70]),
)  # fmt: skip
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of all values in a message but the whole."""
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        found.append((*path, key))
        if isinstance(inner, dict | list):
            found += _places(inner, (*path, key))
    return found


@st.composite
def mutated(draw: st.DrawFn, protocol: str) -> str:
    """A message as JSON, more or less."""
    message = json.loads(json.dumps(draw(st.sampled_from(SEEDS[protocol]))))
    for _ in range(draw(st.integers(0, 2))):
        if places := _places(message):
            _change(draw, message, draw(st.sampled_from(places)))
    text = json.dumps(message)
    match draw(st.sampled_from(["as it is"] * 6 + ["twice", "cut", "deep", "noise", "huge"])):
        case "twice":
            return '{"type": "' + MARK + '", ' + text[1:]
        case "cut":
            return text[: draw(st.integers(0, len(text)))]
        case "deep":
            return text[:-1] + ', "x": ' + "[" * draw(st.sampled_from([40, 900, 50_000]))
        case "huge":
            return text.replace("16000", "9" * draw(st.sampled_from([30, 5_000])))
        case "noise":
            at = draw(st.integers(0, len(text)))
            return text[:at] + draw(st.text(max_size=5)) + text[at:]
        case _:
            return text


def _change(draw: st.DrawFn, message: dict[str, Any], place: tuple[Any, ...]) -> None:
    *path, key = place
    inside: Any = message
    for step in path:
        inside = inside[step]
    match draw(st.sampled_from(["exchange", "exchange", "drop", "add", "wrap"])):
        case "exchange":
            inside[key] = draw(VALUES)
        case "drop":
            del inside[key]
        case "add" if isinstance(inside, dict):
            inside[draw(st.text(max_size=8) | HALF)] = draw(VALUES)
        case _:
            inside[key] = [inside[key]]


@st.composite
def binary(draw: st.DrawFn, protocol: str) -> bytes:
    """Audio of the protocol, sound or not."""
    sound = _SOUND
    if protocol == "native":
        seq, offset = draw(st.sampled_from([(0, 0), (1, 9_600), (5, 0), (0, 2**62), (2**31, 7)]))
        samples = draw(st.sampled_from([tone(0.6), silence(0.6), tone(6.0)]))
        sound = encode_frame(
            seq, offset, draw(st.sampled_from([0.0, 1e12, -1.0])), samples, Encoding.PCM_S16LE
        )
        sound = draw(st.sampled_from([sound, sound[: HEADER.size], b"SA" + sound[3:]]))
    cut = draw(st.integers(0, 3))
    return draw(st.sampled_from([sound[: len(sound) - cut], b"", b"\1"]) | st.binary(max_size=300))


def messages(protocol: str) -> st.SearchStrategy[list[str | bytes]]:
    """What one client sends."""
    strange = st.text(max_size=50) | VALUES.map(json.dumps)
    one = st.one_of(mutated(protocol), mutated(protocol), binary(protocol), strange)
    if protocol == "wyoming":
        behind = st.sampled_from(
            [b"", _SOUND, _SOUND[:-1], b"{}" + _SOUND, b'{"rate": NaN}', b"\xff"]
        )
        events = st.builds(
            lambda line, rest: line.encode() + b"\n" + rest, mutated(protocol), behind
        )
        return st.lists(events | events | binary(protocol), min_size=1, max_size=12)
    if protocol == "native":
        start = st.sampled_from([['{"type": "start"}'], ['{"type": "start"}'], []])
        return st.builds(lambda first, rest: first + rest, start, st.lists(one, max_size=12))
    return st.lists(one, min_size=1, max_size=12)
