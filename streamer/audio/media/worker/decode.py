"""The sound of a container, decoded, as messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard

from streamer.audio.media.worker.messages import DecodingError, Output
from streamer.audio.media.worker.wav_header import RawSamples

MAX_CHANNELS: Final = 16
MIN_RATE: Final = 1_000
MAX_RATE: Final = 192_000
CONTAINERS: Final = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,matroska,mov,mp3,mpeg,"
    "mpegts,mxf,ogg,rm,tta,w64,wav,wv"
)
"""None of them names files or addresses that it would have us open, as playlists do."""
_STREAMS: Final = f"{CONTAINERS},hls"
_SILENCE_FROM_S: Final = 0.1
_SILENCE_MAX_S: Final = 3_600.0
_FORMAT_PROBE_BYTES: Final = 1 << 20
_PROBE_US: Final = 1_000_000
_NO_REASONS: Final = ("Invalid data found", "whitelist", "m3u8")
"""What FFmpeg says of files that are none of its own."""
_CUT_S: Final = 1.0
"""So much less than its index says is not rounding."""
_DAMAGED_SHARE: Final = 0.02
"""Of packets. Fewer go by: the first of a stream that is joined midway, a tag at the end."""


def opened(
    source: Any,
    probe_bytes: int,
    *,
    samples: RawSamples | None = None,
    fetch: Callable[[str, int, dict[str, str]], Any] | None = None,
    is_hls: bool = False,
) -> InputContainer:
    """
    Args:
        source: a file to read, or an address.
        probe_bytes: may be read to find out what it is, before anything is heard.
        samples: it holds no more than these.
        fetch: opens addresses; without it none is opened.

    Raises:
        DecodingError
    """
    options = {
        "format_whitelist": CONTAINERS if fetch is None else _STREAMS,
        "protocol_whitelist": "none" if fetch is None else "http,https",
        "formatprobesize": str(min(probe_bytes, _FORMAT_PROBE_BYTES)),
        "probesize": str(probe_bytes),
        "analyzeduration": str(_PROBE_US),
    }
    if fetch is not None:
        options |= {"http_persistent": "0", "allowed_extensions": "ALL", "extension_picky": "0"}
    kind = "hls" if is_hls else None
    if samples is not None:
        kind = samples.format_name
        options |= {"sample_rate": str(samples.rate), "ch_layout": f"{samples.channels}c"}
        options["format_whitelist"] = kind
    try:
        container: InputContainer = av.open(
            source, mode="r", format=kind, options=options, io_open=fetch
        )
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        reason = _reason(error)
        told = "" if any(sign in reason for sign in _NO_REASONS) else f" ({reason})"
        raise DecodingError(f"is not audio that can be read{told}") from error
    return container


def decode(
    container: InputContainer, output: Output, *, whole: bool, rate: int | None = None
) -> None:
    """All sound of the container.

    Args:
        whole: where sound is missing in time, silence stands for it, and damage is told.
        rate: samples per second that are wanted; None: as they are.

    Raises:
        DecodingError: it ended before its end, holds no sound, or much of it is damaged.
    """
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        raise DecodingError("holds no audio")
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    if stream.codec_context is None:
        raise DecodingError("its kind of audio is not known here")
    stream.codec_context.thread_count = 1
    n_packets = n_damaged = 0
    why = ""
    writer: _Writer | None = None
    for packet in _packets(container, stream):
        n_packets += 1
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            n_damaged += 1
            why = _reason(error)
            continue
        for frame in frames:
            writer = writer or _Writer(container, frame, output, whole=whole, rate=rate)
            writer.write(frame)
    if writer is None:
        raise DecodingError(f"its audio cannot be decoded ({why})" if why else "holds no audio")
    writer.end()
    if whole and n_damaged > _DAMAGED_SHARE * n_packets:
        raise DecodingError(
            f"the audio is damaged ({n_damaged} of {n_packets} pieces cannot be decoded: {why})"
        )
    wanted_s = _indexed_s(container, stream)
    if whole and wanted_s is not None and writer.written_s < wanted_s - _CUT_S:
        raise DecodingError(
            f"is cut short: {writer.written_s:.1f} of {wanted_s:.1f} s of audio are there"
        )


def _packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError as error:
        raise DecodingError(f"the audio is damaged or cut short ({_reason(error)})") from error


def _indexed_s(container: InputContainer, stream: AudioStream) -> float | None:
    """How long the audio is by the index of the file; None if there is none, or only a guess."""
    if "mov" not in container.format.name or stream.duration is None or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)


class _Writer:
    """Frames of a decoder, all in the format of the first, or at the rate that is wanted."""

    def __init__(
        self,
        container: InputContainer,
        first: AudioFrame,
        output: Output,
        *,
        whole: bool,
        rate: int | None,
    ) -> None:
        """Raises DecodingError."""
        self._rate: int = rate or first.sample_rate
        self._layout = first.layout
        self._channels = len(first.layout.channels)
        if not MIN_RATE <= self._rate <= MAX_RATE:
            raise DecodingError(f"has an absurd sample rate of {self._rate} Hz")
        if not 1 <= self._channels <= MAX_CHANNELS:
            raise DecodingError(f"has {self._channels} channels; {MAX_CHANNELS} are read at most")
        self._output = output
        self._n_frames = 0
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        start_s = (container.start_time or 0) / av.time_base
        self._timeline = Timeline(self._rate, start_s) if whole else None
        length_s = container.duration / av.time_base if whole and container.duration else None
        output.format(self._rate, self._channels, length_s)

    @property
    def written_s(self) -> float:
        """Of what was decoded."""
        return self._n_frames / self._rate

    def write(self, frame: AudioFrame) -> None:
        if self._timeline is not None:
            n_frames = round(frame.samples * self._rate / frame.sample_rate)
            self._output.silence(self._timeline.missing(frame.time, n_frames))
        shape = frame.format.name, frame.layout.name, frame.sample_rate
        if self._resampler is None or self._shape != shape:
            # Within a stream too: radios play one piece after another.
            self.end()
            self._resampler = AudioResampler("flt", self._layout, self._rate)
            self._shape = shape
        frame.pts = None
        self._put(self._resampler.resample(frame))

    def end(self) -> None:
        """What the resampler still holds."""
        if self._resampler is not None:
            self._put(self._resampler.resample(None))
            self._resampler = None

    def _put(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._n_frames += frame.samples
            n_bytes = frame.samples * self._channels * 4
            self._output.samples(memoryview(frame.planes[0])[:n_bytes])


class Timeline:
    """Where sound stands in time: a film may begin before its sound does, or have holes in it."""

    def __init__(self, rate: int, start_s: float) -> None:
        self._rate = rate
        self._start_s = start_s
        self._next = 0

    def missing(self, time_s: float | None, n_frames: int) -> int:
        """Frames that were left out before these `n_frames`, which begin at `time_s`."""
        at = self._next if time_s is None else round((time_s - self._start_s) * self._rate)
        gap = at - self._next
        if not _SILENCE_FROM_S * self._rate <= gap <= _SILENCE_MAX_S * self._rate:
            gap = 0  # rounded, or a clock that was set anew
        self._next += gap + n_frames
        return gap


def _reason(error: Exception) -> str:
    """FFmpeg's log says more than its codes do."""
    log = getattr(error, "log", None)
    text = log[2] if log else getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split()).rstrip(".") or type(error).__name__
