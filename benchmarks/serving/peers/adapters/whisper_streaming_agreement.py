"""The package `whisper-streaming`: faster-whisper with local agreement of two passes.

Audio and text go through the package's own ways to extend it, a receiver and a processor. It gives
out committed text only; what it still holds back is read from its buffer, so that it can be
compared. Its audio receiver hands over what has gathered, at least a second (the default of the
program that it derives from), once the last portion has been taken.
"""

from __future__ import annotations

import logging
import time
from importlib import metadata
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Final

import numpy as np
from feed import SAMPLE_RATE, Floats, Protocol, Screen, Times, options, paced
from whisper_streaming import ASRProcessor, AudioReceiver, Backend, OutputSender, TimeTrimming, Word
from whisper_streaming.backend import (
    FasterWhisperASR,
    FasterWhisperFeatureExtractorConfig,
    FasterWhisperModelConfig,
    FasterWhisperTranscribeConfig,
)
from whisper_weights import whisper_folder

_MIN_SAMPLES: Final = SAMPLE_RATE
_SILENT_S: Final = 10.0
"""Without audio for so long, the processor would end; our receiver never makes it wait so long."""
_ENDED_S: Final = 0.1
"""The same once the last audio was sent, so that it gives out the rest at once."""


class Microphone(AudioReceiver):
    """Audio that is being spoken; the end of it ends the processor."""

    def __init__(self) -> None:
        super().__init__()
        self._gathered: list[Floats] = []
        self._ended = False
        self._changed = Condition()

    def hear(self, piece: Floats) -> None:
        with self._changed:
            self._gathered.append(piece)
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _do_receive(self) -> Floats | None:
        with self._changed:
            while not self._ready():
                self._changed.wait(0.02)
                if self.stopped.is_set():
                    return None
            if not self._gathered:
                return None
            audio = np.concatenate(self._gathered)
            self._gathered.clear()
            return audio

    def _ready(self) -> bool:
        enough = sum(len(piece) for piece in self._gathered) >= _MIN_SAMPLES
        return self._ended or (enough and self.queue.empty())

    def _do_close(self) -> None:
        pass


class Nowhere(OutputSender):
    """The processor wants a sender; the text is taken from the processor itself."""

    def _do_output(self, data: Word) -> None:
        pass

    def _do_close(self) -> None:
        pass


class ShownProcessor(ASRProcessor):
    """Shows all text after every pass."""

    screen: Screen
    committed: list[str]

    def _process(self, audio: Any) -> Word | None:
        newly = super()._process(audio)
        if newly is not None:
            self.committed.append(newly.word)
        self.screen.show("".join(self.committed), self.held_back())
        return newly

    def held_back(self) -> str:
        return "".join(word.word for word in self._transcription_buffer.transcriptions_in_limbo)


def share_model() -> None:
    """Load the weights once: each of the package's processors would load them for itself."""
    load, loaded = FasterWhisperASR._load_model, list[Any]()  # noqa: SLF001

    def load_once(asr: FasterWhisperASR, config: FasterWhisperModelConfig) -> Any:
        if not loaded:
            loaded.append(load(asr, config))
        return loaded[0]

    FasterWhisperASR._load_model = load_once  # noqa: SLF001


def processor(model: Path, microphone: Microphone) -> ShownProcessor:
    """Settings: the package's defaults, the fastest computation here, windows of 15 s."""
    return ShownProcessor(
        ASRProcessor.ProcessorConfig(
            sampling_rate=SAMPLE_RATE,
            prompt_size=200,
            audio_receiver_timeout=_SILENT_S,
            audio_trimming=TimeTrimming(seconds=15),
            language="en",
        ),
        microphone,
        Nowhere(),
        Backend.FASTER_WHISPER,
        FasterWhisperModelConfig(str(model), device="cpu", compute_type="auto"),
        FasterWhisperTranscribeConfig(),
        FasterWhisperFeatureExtractorConfig(),
    )


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    protocol, wanted = Protocol(), options()
    model = whisper_folder(wanted["model"], Path(wanted["cache"]))
    share_model()
    processor(model, Microphone())

    def hear(samples: Floats, screen: Screen) -> Times:
        microphone = Microphone()
        ears = processor(model, microphone)
        ears.screen, ears.committed = screen, []
        thread = Thread(target=ears.run)
        thread.start()
        started = time.monotonic()
        for piece in paced(samples, started):
            microphone.hear(piece)
        sent = time.monotonic()
        ears.processor_config.audio_receiver_timeout = _ENDED_S
        microphone.end()
        thread.join()
        screen.show("".join(ears.committed) + ears.held_back(), "")
        return {"started": started, "sent": sent}

    about = {name: metadata.version(name) for name in ("faster-whisper", "ctranslate2")}
    protocol.serve(hear, {"version": metadata.version("whisper-streaming"), **about})


if __name__ == "__main__":
    main()
