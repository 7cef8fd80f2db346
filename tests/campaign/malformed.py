"""Messages that no client should send, for every entrance; the same for the same seed."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Message = str | bytes

_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1.5, 2**63, -(2**70), float("nan"), float("inf"), "", "x", "\ud800",
    "a" * 5_000, "\x00", "🎤" * 50, [], [[]], {}, {"a": {"b": []}}, ["x"] * 300,
)  # fmt: skip
_NATIVE: Final[tuple[dict[str, Any], ...]] = (
    {"type": "start", "sample_rate": 16000, "encoding": "pcm_s16le", "context": "c", "live": True},
    {"type": "resume", "session_id": "x", "resume_token": "y", "last_seq": 0},
    {"type": "finalize"},
    {"type": "stop"},
)
_DEEPGRAM: Final[tuple[dict[str, Any], ...]] = (
    {"type": "KeepAlive"},
    {"type": "Finalize"},
    {"type": "Configure", "processors": {}},
)
_REALTIME: Final[tuple[dict[str, Any], ...]] = (
    {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"model": "whisper-1", "language": "en", "prompt": "p"},
                    "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
                }
            },
        },
    },
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "transcription_session.update", "session": {"input_audio_format": "pcm16"}},
)
_WYOMING: Final[tuple[dict[str, Any], ...]] = (
    {"type": "transcribe", "data": {"name": "streamer", "language": "en"}},
    {"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}},
    {"type": "audio-stop", "data": {}},
    {"type": "describe"},
    {"type": "ping", "data": {"text": "t"}},
)


@dataclass(frozen=True)
class Entrance:
    """A websocket's path and query, or the Wyoming port (`path` empty), and what is said there."""

    name: str
    path: str
    message: Callable[[random.Random], Message]


def entrances() -> tuple[Entrance, ...]:
    listen = "/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true"
    return (
        Entrance("native", "/v1/stream", _native),
        Entrance("deepgram", listen, lambda rng: _dialect(rng, _DEEPGRAM)),
        Entrance("realtime", "/v1/realtime", lambda rng: _dialect(rng, _REALTIME)),
        Entrance("wyoming", "", _wyoming),
    )


def bad_query(rng: random.Random) -> str:
    """For `/v1/listen` and `/v1/realtime`."""
    names = ["model", "language", "encoding", "sample_rate", "endpointing", "keyterm", "channels"]
    pairs = []
    for _ in range(rng.randint(1, 5)):
        value = rng.choice(
            ["", "en" + "_a" * 30 + "!", "9" * 40, "%FF%FE", "%00", "-1", "nan", "é"]
        )
        pairs.append(f"{rng.choice(names)}={value}")
    return "&".join(pairs)


def _native(rng: random.Random) -> Message:
    if rng.random() < 0.3:
        return _frame(rng)
    return _dialect(rng, _NATIVE)


def _dialect(rng: random.Random, valid: tuple[dict[str, Any], ...]) -> Message:
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.choice([0, 1, 3, 159, 160, 161, 4_001]))
    text = json.dumps(_mutated(rng, rng.choice(valid)))
    if kind < 0.3:
        at = rng.randrange(len(text) + 1)
        return text[:at] + rng.choice(["", "}", '"', "\x00", "[" * 500, "é"]) + text[at + 1 :]
    if kind < 0.35:
        return "[" * rng.choice([10, 100_000])
    return text


def _mutated(rng: random.Random, valid: dict[str, Any]) -> dict[str, Any]:
    """With a value somewhere inside replaced, dropped or added."""
    copy: dict[str, Any] = json.loads(json.dumps(valid))
    inside: dict[str, Any] = copy
    while rng.random() < 0.7:
        deeper = [value for value in inside.values() if isinstance(value, dict)]
        if not deeper:
            break
        inside = rng.choice(deeper)
    key = rng.choice([*inside, "extra"])
    if rng.random() < 0.2:
        inside.pop(key, None)
    else:
        inside[key] = rng.choice(_VALUES)
    return copy


def _frame(rng: random.Random) -> bytes:
    """A binary frame of the native protocol, mostly with something wrong."""
    magic = rng.choice([b"SA", b"SA", b"XX"])
    version, flags = rng.choice([(1, 0), (1, 0), (2, 0), (1, 7)])
    offset = rng.choice([0, 0, 1, 160, 2**40, 2**63])
    captured = rng.choice([0.0, 1.7e12, float("nan"), -1.0])
    header = struct.pack(
        "<2sBBIQd", magic, version, flags, rng.choice([0, 1, 2**31]), offset, captured
    )
    return (header + rng.randbytes(rng.choice([0, 1, 320, 321, 3_200])))[rng.choice([0, 0, 0, 5]) :]


def _wyoming(rng: random.Random) -> Message:
    if rng.random() < 0.1:
        return rng.randbytes(rng.randint(0, 400)) + b"\n"
    header = _mutated(rng, rng.choice(_WYOMING))
    payload = rng.randbytes(rng.choice([0, 0, 3, 320]))
    if rng.random() < 0.7:
        header["payload_length"] = len(payload)
    elif rng.random() < 0.5:
        header["payload_length"] = rng.choice(_VALUES)
    return json.dumps(header).encode("utf-8", "surrogatepass") + b"\n" + payload
