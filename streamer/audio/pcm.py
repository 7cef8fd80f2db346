"""A stream of bytes in a client's encoding, as mono samples."""

from __future__ import annotations

import io
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from streamer.audio.arrays import Floats
from streamer.audio.channels import ChannelMixer
from streamer.audio.samples import in_full_scale

_CLEARLY: Final = 2.0
_SMOOTH: Final = 16.0
_SOFT: Final = 64
_MIN_FRAMES: Final = 32


class SampleFormat(StrEnum):
    """What clients of the foreign protocols send without a container."""

    U8 = "u8"
    LINEAR16 = "linear16"
    LINEAR32 = "linear32"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return {self.LINEAR16: 2, self.LINEAR32: 4}.get(self, 1)


_INTEGERS: Final = {
    SampleFormat.U8: "u1",
    SampleFormat.LINEAR16: "<i2",
    SampleFormat.LINEAR32: "<i4",
}


class SampleReader:
    """Messages may cut the stream anywhere, inside samples too; and one of them may be damaged.

    Bytes that are left over from a message are either the beginning of a sample that the next
    message goes on with, or what a damaged message left behind; joined to the next one, those would
    shift all that follows, which makes noise of it. The lengths do not tell which it is (who cuts
    anywhere may send one odd message and even ones from then on, as who sends a damaged one does),
    but the sound does. From sample to sample the most significant byte changes slowly, and the
    least significant one at random. So the bytes left over are dropped if the next message sounds
    clearly smoother without them, and joined to it otherwise: in silence, in noise, and in messages
    too short to tell. Joined to them it leaves bytes over in turn, and the question is put again.
    """

    def __init__(
        self, sample_format: SampleFormat, channels: int = 1, *, mixed: bool = True
    ) -> None:
        """
        Args:
            channels: interleaved.
            mixed: into one.
        """
        self._format = sample_format
        self._channels = channels
        self._mixer = ChannelMixer(channels) if mixed else None
        self._rest = b""
        self.dropped_bytes = 0
        """Of damaged messages."""

    def read(self, data: bytes) -> Floats:
        """The samples, -1 … 1, that are complete with these bytes: `[frames]` if they are mixed,
        else `[frames, channels]`."""
        if self._rest and self._begins_anew(data):
            self.dropped_bytes += len(self._rest)
            self._rest = b""
        data = self._rest + data
        whole = len(data) // self._step * self._step
        self._rest = data[whole:]
        frames = _decode(data[:whole], self._format).reshape(-1, self._channels)
        return frames if self._mixer is None else self._mixer.mix(frames)

    def _begins_anew(self, data: bytes) -> bool:
        """Whether the first byte of a message is the first byte of a sample, although there are
        bytes left over from the one before."""
        anew = self._highest_bytes(data, 0)
        joined = self._highest_bytes(data, self._step - len(self._rest))
        if len(joined) < _MIN_FRAMES:
            return False
        joined_roughness = _roughness(joined)
        if joined_roughness == 0:  # silence, or bytes that nobody uses: samples of fewer bits
            return _roughness(anew) < _SMOOTH and _crosses_zero(anew)
        # A byte that never changes is no sign of smoothness either.
        return joined_roughness > _CLEARLY * _roughness(anew) > 0

    def _highest_bytes(self, data: bytes, start: int) -> npt.NDArray[np.int8]:
        """`[frames, channels]` of a message whose first whole sample begins at `start`."""
        n_frames = max(0, len(data) - start) // self._step
        width = self._format.width
        frames = np.frombuffer(data, np.int8, n_frames * self._step, min(start, len(data)))
        return frames.reshape(n_frames, self._step)[:, width - 1 :: width]

    @property
    def _step(self) -> int:
        return self._format.width * self._channels


def _roughness(highest: npt.NDArray[np.int8]) -> float:
    """Mean change from sample to sample: up to 128, and about 64 in noise. From 0xFF to 0x00 it
    is 1, as from -1 to 0."""
    return float(np.abs(np.diff(highest, axis=0).astype(np.int16)).mean())


def _crosses_zero(highest: npt.NDArray[np.int8]) -> bool:
    """Whether it does so softly, as the highest bytes of sound do; the bytes below them jump
    from 0xFF to 0x00 only where the one above changes too."""
    before, after = highest[:-1].astype(np.int16), highest[1:].astype(np.int16)
    soft = (np.abs(before) < _SOFT) & (np.abs(after) < _SOFT)
    return bool(np.count_nonzero(soft & ((before < 0) != (after < 0))) > 1)


def _decode(data: bytes, sample_format: SampleFormat) -> Floats:
    if not data:
        return np.zeros(0, np.float32)
    if sample_format in (SampleFormat.MULAW, SampleFormat.ALAW):
        subtype = "ULAW" if sample_format is SampleFormat.MULAW else "ALAW"
        decoded: Floats = soundfile.read(
            io.BytesIO(data),
            dtype="float32",
            format="RAW",
            subtype=subtype,
            samplerate=8_000,  # any: nothing is converted
            channels=1,
        )[0]
        return decoded
    return in_full_scale(np.frombuffer(data, _INTEGERS[sample_format]))
