"""Every kind of media gives the sound that is in it; what cannot is told in one line."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from streamer.audio.files import AudioFileError, read_blocks, read_samples
from streamer.audio.media.contract import RawFormat, RawPipe
from streamer.audio.media.raw import RawFrames
from streamer.audio.media.recording import open_recording
from tests.fakes import silence, tone
from tests.media import KINDS, RATE, add_sound, av, encoded, written

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def voice(bundled_speech: Path) -> Floats:
    return read_samples(bundled_speech / "1064_TIE_HAP_XX.opus")


def likeness(heard: Floats, said: Floats) -> float:
    """Correlation, wherever within a tenth of a second of its place it was heard."""
    length = 1 << (len(said) + len(heard)).bit_length()
    spectrum = np.fft.rfft(heard, length) * np.conj(np.fft.rfft(said, length))
    near = np.fft.irfft(spectrum, length)
    best = max(near[:1_600].max(), near[-1_600:].max())
    return float(best / np.sqrt(np.square(heard).sum() * np.square(said).sum()))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_what_was_said(tmp_path: Path, voice: Floats, name: str) -> None:
    heard = read_samples(written(tmp_path, voice, name))
    assert len(heard) == pytest.approx(len(voice), abs=1_200)
    assert likeness(heard, voice) > 0.97


@pytest.mark.parametrize("name", ["talk.wav", "phone.m4a"])
def test_channels_that_cancel_each_other_are_heard(
    tmp_path: Path, voice: Floats, name: str
) -> None:
    both = np.stack([voice, -voice], axis=1)
    (tmp_path / name).write_bytes(encoded(both, name, layout="stereo"))
    assert likeness(read_samples(tmp_path / name), voice) > 0.97


def test_sound_keeps_its_place_in_a_film(tmp_path: Path) -> None:
    """Subtitles must fit the pictures: sound that begins later, or stops for a while."""
    path = tmp_path / "film.mkv"
    sound = np.repeat(tone(1.0), 3).astype(np.float32)  # 48 kHz
    with av.open(path, "w") as container:
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("flac", rate=RATE, layout="mono")
        for _ in range(80):
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        add_sound(container, audio, sound, start_s=2.0)
        add_sound(container, audio, sound, start_s=5.0)
        container.mux(audio.encode(None))
    heard = read_samples(path)
    middles = [heard[at + 1_600 : at + 14_400] for at in range(0, 96_000, 16_000)]
    loud = [bool(np.abs(middle).max() > 0.1) for middle in middles]
    assert loud == [False, False, True, False, False, True]


@pytest.fixture(scope="module")
def four_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.mka"
    with av.open(path, "w") as container:
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        add_sound(container, audio, np.tile(tone(60.0, RATE), 4))
        container.mux(audio.encode(None))
    return path


def test_pieces_come_in_one_size_and_memory_stays(four_minutes: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    blocks = [len(block) for block in read_blocks(four_minutes, 1_600)]
    assert set(blocks[:-1]) == {1_600}
    assert sum(blocks) == pytest.approx(240 * 16_000, abs=2)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 5_000  # the samples take 15 MB


def test_leaving_early_leaves_nothing_running(four_minutes: Path) -> None:
    blocks = read_blocks(four_minutes)
    next(blocks)
    (worker,) = _children()
    blocks.close()
    assert worker not in _children()


def _children() -> set[str]:
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
    )
    return {line.split()[0] for line in listed.stdout.splitlines() if "media.worker" in line}


def test_it_ends_where_it_is_stopped(four_minutes: Path) -> None:
    with open_recording(four_minutes) as recording:
        assert recording.length_s == pytest.approx(240, abs=0.1)
        frames = recording.frames()
        n_frames = len(next(frames))
        recording.stop()
        n_frames += sum(len(rest) for rest in frames)
    assert n_frames < 60 * RATE


def test_a_wav_whose_length_nobody_could_know(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, tone(1.0), 16_000, format="WAV", subtype="PCM_16")
    data = bytearray(file.getvalue())
    for length in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        data[4:8] = data[40:44] = length
        (tmp_path / "pipe.wav").write_bytes(data)
        assert len(read_samples(tmp_path / "pipe.wav")) == 16_000


def damaged(data: bytes) -> bytes:
    spoilt = bytearray(data)
    places = np.random.default_rng(1).integers(len(data) // 3, len(data) - 4_000, 3_000)
    for place in places:
        spoilt[place] ^= 0x5A
    return bytes(spoilt)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("talk.m4a", lambda data: data[: len(data) // 2], "can be read .moov atom not found"),
        ("phone.m4a", lambda data: data[: len(data) // 2], r"is cut short: \d\.\d of \d\.\d s"),
        ("phone.m4a", damaged, r"the audio is damaged \(\d+ of \d+ pieces"),
        ("phone.m4a", lambda data: b"", "is empty"),
        ("phone.m4a", lambda data: b"words, and no sound " * 200, "is not audio that can be read$"),
        ("phone.m4a", lambda data: data[:4_000], "is not audio|is cut short|cannot be decoded"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path,
    voice: Floats,
    name: str,
    spoil: Callable[[bytes], bytes],
    message: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(spoil(encoded(voice, name)))
    with pytest.raises(AudioFileError, match=message) as caught:
        read_samples(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_pictures_without_sound_are_told(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(path, "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
        container.mux(video.encode(picture))
        container.mux(video.encode(None))
    with pytest.raises(AudioFileError, match=r"silent\.mp4: holds no audio"):
        read_samples(path)


PLAYLIST = """#EXTM3U
#EXT-X-TARGETDURATION:10
#EXTINF:10,
{path}
#EXT-X-ENDLIST
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", PLAYLIST),
        ("list.m3u8", PLAYLIST.replace("{path}", "file://{path}")),
        ("list.txt", "ffconcat version 1.0\nfile '{path}'\n"),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"),
    ],
)
def test_files_that_name_other_files_are_not_followed(
    tmp_path: Path, voice: Floats, name: str, text: str
) -> None:
    other = written(tmp_path, voice, "film.ts")
    (tmp_path / name).write_text(text.format(path=other))
    with pytest.raises(AudioFileError, match="is not audio that can be read"):
        read_samples(tmp_path / name)


def test_without_pyav_the_extra_is_named(
    tmp_path: Path, voice: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.audio.media.recording.can_decode", lambda: False)
    for name in ("talk.wav", "talk.flac", "talk.mp3", "firefox.ogg"):
        assert likeness(read_samples(written(tmp_path, voice, name)), voice) > 0.97
    path = written(tmp_path, voice, "talk.m4a")
    with pytest.raises(AudioFileError, match="mp4, aac, webm and films install the extra `media`"):
        read_samples(path)


READ_STANDARD_INPUT = """\
import sys
from streamer.audio.files import AudioFileError, read_samples
from streamer.audio.media.contract import Pipe
if sys.argv[1:]:
    import streamer.audio.media.recording as recording
    recording.can_decode = lambda: False
try:
    sys.stdout.buffer.write(read_samples(Pipe()).tobytes())
except AudioFileError as error:
    print(error, file=sys.stderr)
"""


def piped(data: bytes, *arguments: str) -> tuple[Floats, str]:
    done = subprocess.run(
        [sys.executable, "-c", READ_STANDARD_INPUT, *arguments],
        input=data,
        capture_output=True,
        check=True,
    )
    return np.frombuffer(done.stdout, np.float32), done.stderr.decode()


@pytest.mark.parametrize("name", ["talk.m4a", "safari.mp4", "chromium.webm", "talk.wav", "film.ts"])
def test_a_container_comes_through_a_pipe(voice: Floats, name: str) -> None:
    heard, errors = piped(encoded(voice, name))
    assert errors == ""
    assert likeness(heard, voice) > 0.97


def test_pipes_tell_what_is_wrong_too(voice: Floats) -> None:
    assert piped(b"")[1] == "standard input: is empty\n"
    assert "standard input: is not audio" in piped(b"no sound" * 20_000)[1]


def test_a_pipe_without_pyav(voice: Floats) -> None:
    assert likeness(piped(encoded(voice, "talk.wav"), "no PyAV")[0], voice) > 0.97
    assert "install the extra `media`" in piped(encoded(voice, "talk.m4a"), "no PyAV")[1]


@pytest.mark.parametrize(
    ("raw_format", "scale", "tolerance"),
    [
        (RawFormat.S16LE, 2**15, 1e-4),
        (RawFormat.S32LE, 2**31, 1e-6),
        (RawFormat.F32LE, 1, 0),
        (RawFormat.U8, 2**7, 0.01),
    ],
)
def test_samples_without_a_container(raw_format: RawFormat, scale: int, tolerance: float) -> None:
    """Cut anywhere, as pipes cut; half a sample at the end is left out."""
    sound = np.stack([tone(0.5), silence(0.5)], axis=1)
    shifted = sound * scale + (128 if raw_format is RawFormat.U8 else 0)
    data = shifted.astype(raw_format.numpy_type).tobytes()
    reading, writing = os.pipe()
    frames = RawFrames(RawPipe(raw_format, 16_000, channels=2), reading)
    heard = []
    parts = iter(frames)
    for at in range(0, len(data), 999):
        os.write(writing, data[at : at + 999])
        heard.append(next(parts))
    os.write(writing, b"\x01")
    os.close(writing)
    heard += parts
    os.close(reading)
    np.testing.assert_allclose(np.concatenate(heard), sound, atol=tolerance)
