"""How a browser's own processing of the microphone moves the emotion that is told.

The same clips of the test speakers, as they are and behind the noise suppression and the automatic
gain of WebRTC, which Chromium switches on where a page does not say otherwise; in quiet, and in
pink noise. Echo cancelling is left out: it needs what the loudspeaker plays. Clips come as loud as
a microphone on a desk gives them. `pip install webrtc-noise-gain` first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.corpora import WEIGHTS, ModelOption, same_label
from benchmarks.emotion.scores import Scored, score_whole, summary
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import EmotionClassifier, Samples
from streamer.models.train.emotion.data import CREMA_D, TEST_SPEAKERS, load_clips

Process = Callable[[bytes], bytes]
"""10 ms of 16-bit samples in and out."""

LEVEL_DBFS: Final = -32.0
"""Of the speech, before the browser has it."""
SNR_DB: Final = 15.0
_CHUNK: Final = SAMPLE_RATE // 100
_WARM_UP: Final = SAMPLE_RATE
"""The processing adapts in its first second, which is heard twice."""
_FULL_SCALE: Final = 32_768


@dataclass(frozen=True)
class Processing:
    """What is switched on; 0 is off."""

    gain_dbfs: int = 0
    """Gain of the automatic gain control, at most 31."""
    suppression: int = 0
    """Of noise, 4 is strongest."""

    def start(self) -> Process:
        """For one clip.

        Raises:
            ModuleNotFoundError: `webrtc-noise-gain` is not installed.
        """
        from webrtc_noise_gain import AudioProcessor

        processor = AudioProcessor(self.gain_dbfs, self.suppression)
        return lambda chunk: bytes(processor.Process10ms(chunk).audio)


PROCESSING: Final = {
    "noise suppression": Processing(suppression=2),
    "automatic gain": Processing(gain_dbfs=15),
    "both": Processing(gain_dbfs=15, suppression=2),
}


def desk(samples: Samples) -> Samples:
    """As loud as a microphone on a desk gives it."""
    rms = float(np.sqrt(np.mean(samples**2))) + 1e-9
    return np.asarray(samples * (10 ** (LEVEL_DBFS / 20) / rms), np.float32)


def in_noise(samples: Samples) -> Samples:
    """The same with pink noise, that every run hears alike."""
    near = desk(samples)
    hertz = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), 20)
    white = np.random.default_rng(len(samples)).standard_normal(len(samples))
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(hertz), n=len(samples))
    level = np.sqrt(np.mean(near**2) / np.mean(pink**2)) * 10 ** (-SNR_DB / 20)
    return np.asarray(near + level * pink, np.float32)


def processed(samples: Samples, process: Process) -> Samples:
    """Samples [N] as `process` leaves them once it has adapted. [N]"""
    tail = np.zeros(-(_WARM_UP + len(samples)) % _CHUNK, np.float32)
    heard = np.concatenate((np.resize(samples, _WARM_UP), samples, tail))
    whole = np.clip(heard * _FULL_SCALE, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2")
    chunks = [process(part.tobytes()) for part in whole.reshape(-1, _CHUNK)]
    left = np.frombuffer(b"".join(chunks), "<i2")[_WARM_UP : _WARM_UP + len(samples)]
    return np.asarray(left / _FULL_SCALE, np.float32)


def browsed(samples: Samples, how: Processing) -> Samples:
    return processed(samples, how.start())


def compared(plain: Scored, other: Scored) -> dict[str, Any]:
    return {**summary(other), "same_label": same_label(plain, other)}


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS,
    out: OutOption = RESULTS,
) -> None:
    classifier = EmotionClassifier(model, threads=1)
    clips = load_clips(data / CREMA_D, TEST_SPEAKERS)
    results: dict[str, Any] = {}
    for place, heard in (("quiet", desk), ("noise", in_noise)):
        near = [replace(clip, samples=heard(clip.samples)) for clip in clips]
        plain = score_whole(classifier, near)
        results[place] = {"as it is": summary(plain)}
        for name, how in PROCESSING.items():
            other = score_whole(classifier, near, partial(browsed, how=how))
            results[place][name] = compared(plain, other)
    Console().print_json(json.dumps(results))
    parameters = {"level_dbfs": LEVEL_DBFS, "snr_db": SNR_DB}
    write_json("emotion.browser", out, parameters, results, file="emotion_browser")


app = run(main)

if __name__ == "__main__":
    app()
