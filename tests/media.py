"""Media of many kinds, made of samples by PyAV."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
import soxr

av: Any = pytest.importorskip("av", reason="the extra media is not installed")

RATE: Final = 48_000
RATE_BASE: Final = Fraction(1, RATE)
FRAGMENTED: Final = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
KINDS: Final[dict[str, tuple[str, str, dict[str, str], bool]]] = {
    # name: format, codec, options, whether there are pictures too
    "talk.m4a": ("ipod", "aac", {}, False),
    "phone.m4a": ("ipod", "aac", {"movflags": "faststart"}, False),
    "film.mp4": ("mp4", "aac", {}, True),
    "safari.mp4": ("mp4", "aac", FRAGMENTED, False),
    "film.mov": ("mov", "aac", {}, True),
    "radio.aac": ("adts", "aac", {}, False),
    "chromium.webm": ("webm", "libopus", {}, False),
    "screen.webm": ("webm", "libopus", {}, True),
    "firefox.ogg": ("ogg", "libopus", {}, False),
    "talk.mp3": ("mp3", "libmp3lame", {}, False),
    "film.mkv": ("matroska", "aac", {}, True),
    "film.ts": ("mpegts", "aac", {}, False),
    "talk.flac": ("flac", "flac", {}, False),
    "talk.wav": ("wav", "pcm_s16le", {}, False),
    "talk.wma": ("asf", "wmav2", {}, False),
    "talk.caf": ("caf", "alac", {}, False),
}
INDEX_LAST: Final = ("talk.m4a", "film.mp4", "film.mov", "talk.caf")
"""Cannot be read as they come."""


def encoded(
    samples: npt.NDArray[np.float32], name: str, source_rate: int = 16_000, layout: str = "mono"
) -> bytes:
    """The samples, `[N]` or `[N, channels]`, as a file of one of the `KINDS`."""
    sound = soxr.resample(samples, source_rate, RATE)
    with tempfile.TemporaryDirectory() as folder:  # some go over what they wrote again
        path = Path(folder) / name
        _write(path, sound, name, layout)
        return path.read_bytes()


def _write(path: Path, sound: npt.NDArray[np.float32], name: str, layout: str) -> None:
    container_format, codec, options, pictures = KINDS[name]
    with av.open(path, "w", format=container_format, container_options=options) as container:
        video = _video(container) if pictures else None
        audio = container.add_stream(codec, rate=RATE, layout=layout, bit_rate=96_000)
        if video is not None:
            for _ in range(len(sound) * 10 // RATE):
                picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
        add_sound(container, audio, sound, layout)
        container.mux(audio.encode(None))


def add_sound(
    container: Any,
    stream: Any,
    sound: npt.NDArray[np.float32],
    layout: str = "mono",
    start_s: float = 0.0,
) -> None:
    """Encode more of it, as from a place in time on."""
    planes = np.ascontiguousarray(np.atleast_2d(sound.T).astype(np.float32))
    whole = av.AudioFrame.from_ndarray(planes, "fltp", layout)
    whole.sample_rate = RATE
    fifo = av.AudioFifo()
    resampler = av.AudioResampler(stream.format, layout, RATE)
    for frame in (*resampler.resample(whole), *resampler.resample(None)):
        frame.pts = None
        fifo.write(frame)
    n_samples = stream.codec_context.frame_size or 1_024
    at = round(start_s * RATE)
    while (frame := fifo.read(n_samples) or fifo.read(0, partial=True)) is not None:
        frame.sample_rate = RATE
        frame.pts, frame.time_base = at, RATE_BASE
        at += frame.samples
        container.mux(stream.encode(frame))


def _video(container: Any) -> Any:
    codec = "libvpx" if container.format.name == "webm" else "mpeg4"
    video = container.add_stream(codec, rate=10)
    video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
    return video


def written(folder: Path, samples: npt.NDArray[np.float32], name: str) -> Path:
    path = folder / name
    path.write_bytes(encoded(samples, name))
    return path
