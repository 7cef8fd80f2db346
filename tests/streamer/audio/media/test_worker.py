"""The worker's parts: what it tells, and what it cannot do."""

from __future__ import annotations

import io
import itertools
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.media.process import (
    Format,
    MessageReader,
    Needs,
    command,
    died,
    environment,
)
from streamer.audio.media.worker.messages import DecodingError, Output
from streamer.audio.media.worker.standard_input import Pipe, is_index_last
from tests.fakes import tone
from tests.media import encoded


def spoken(file: io.BytesIO) -> list[object]:
    return list(MessageReader().read(file.getvalue()))


@given(cuts=st.lists(st.integers(0, 600_000), max_size=8))
def test_messages_may_be_cut_anywhere(cuts: list[int]) -> None:
    frames = np.arange(100_000, dtype=np.float32).reshape(-1, 2)
    file = io.BytesIO()
    output = Output(file, lambda: None)
    output.format(48_000, 2, 1.5)
    output.samples(memoryview(frames.tobytes()))
    output.needs(7)
    data = file.getvalue()
    reader = MessageReader()
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    found = [m for a, b in itertools.pairwise(places) for m in reader.read(data[a:b])]
    assert (found[0], found[-1]) == (Format(48_000, 2, 1.5), Needs(7))
    blocks = [each for each in found[1:-1] if isinstance(each, np.ndarray)]
    assert len(blocks) == len(found) - 2
    np.testing.assert_array_equal(np.concatenate(blocks), frames)


def test_an_error_comes_behind_all_that_was_heard() -> None:
    file = io.BytesIO()
    output = Output(file, lambda: None)
    output.format(16_000, 1, None)
    output.silence(3)
    output.error("is damaged")
    messages = MessageReader().read(file.getvalue())
    assert next(messages) == Format(16_000, 1, None)
    silence = next(messages)
    assert isinstance(silence, np.ndarray)
    assert silence.shape == (3, 1)
    with pytest.raises(DecodingError, match="is damaged"):
        next(messages)


def test_all_that_a_file_holds_is_told() -> None:
    from streamer.audio.media.worker.decode import decode, opened

    file = io.BytesIO()
    with opened(io.BytesIO(encoded(tone(1.0), "film.mp4")), 1 << 20) as container:
        decode(container, Output(file, lambda: None), whole=True)
    told, *blocks = spoken(file)
    assert isinstance(told, Format)
    assert (told.rate, told.channels) == (48_000, 1)
    heard = [len(block) for block in blocks if isinstance(block, np.ndarray)]
    assert len(heard) == len(blocks)
    assert sum(heard) == pytest.approx(48_000, abs=3_000)


@pytest.mark.parametrize(
    ("frames", "missing"),
    [
        ([(0.0, 100), (0.1, 100)], [0, 0]),
        ([(0.5, 100), (0.6, 100)], [500, 0]),
        ([(0.0, 100), (0.105, 100), (0.21, 100)], [0, 0, 0]),  # rounded times
        ([(0.0, 100), (5.0, 100), (5.1, 100)], [0, 4_900, 0]),
        ([(0.0, 100), (-9.0, 100), (9_999.0, 100)], [0, 0, 0]),  # the clock was set anew
        ([(None, 100), (None, 100)], [0, 0]),
    ],
)
def test_holes_in_time(frames: list[tuple[float | None, int]], missing: list[int]) -> None:
    from streamer.audio.media.worker.decode import Timeline

    timeline = Timeline(1_000, 0.0)
    assert [timeline.missing(*frame) for frame in frames] == missing


def box(kind: bytes, size: int) -> bytes:
    return struct.pack(">I4s", size, kind) + bytes(max(0, size - 8))


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (box(b"ftyp", 24) + box(b"moov", 100) + box(b"mdat", 99), False),
        (box(b"ftyp", 24) + box(b"free", 40) + box(b"mdat", 99) + box(b"moov", 100), True),
        (box(b"ftyp", 24) + box(b"moof", 40), False),
        (box(b"ftyp", 24) + box(b"free", 4) + box(b"mdat", 99), False),
        (box(b"ftyp", 24) + box(b"free", 1 << 20) + box(b"mdat", 99), False),
        (b"RIFF" + bytes(100), False),
        (b"", False),
    ],
)
def test_where_an_mp4_has_its_index(data: bytes, last: bool) -> None:
    assert is_index_last(lambda n_bytes: data[:n_bytes]) is last


def test_far_too_much_without_any_sound_is_given_up() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    pipe = Pipe(Endless(), Output(io.BytesIO(), lambda: None), lambda: None)
    with pytest.raises(DecodingError, match="no sound is in the first 16 MB"):
        list(iter(lambda: pipe.read(32_768), b""))


CONFINED = """\
import os, signal, socket, sys
from streamer.audio.media.worker import __main__ as worker
worker._COMPUTING_S = 0.2
worker._confine(files=False)
for attempt in (
    lambda: [open("/etc/hostname") for _ in range(9)],
    lambda: [socket.socket() for _ in range(9)],
    lambda: bytearray(1 << 30),
):
    try:
        attempt()
        print("done")
    except (OSError, MemoryError) as error:
        print(type(error).__name__)
sys.stdout.flush()
worker._progress()
while True:
    pass
"""


def test_it_can_open_little_take_little_and_compute_little() -> None:
    done = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, check=False)
    assert done.stdout.split() == [b"OSError", b"OSError", b"MemoryError"]
    error = died(done.returncode)
    assert error is not None
    assert str(error) == "decoding it takes too long"


def test_it_keeps_no_file_that_whoever_started_it_has_open() -> None:
    """Where they are many it could open none of its own."""
    keeping = (
        "import os, sys; [os.dup2(1, fd) for fd in range(3, 40)]; "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", keeping, *command()],
        input=encoded(tone(1.0), "firefox.ogg"),
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heard = [m for m in MessageReader().read(done.stdout) if not isinstance(m, Format | Needs)]
    assert sum(map(len, heard)) > 8_000


def test_it_starts_without_numpy_or_the_rest_of_us() -> None:
    code = (
        "import sys; from streamer.audio.media.worker import __main__; "
        "print(*[name for name in ('numpy', 'streamer.audio.arrays') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == []
