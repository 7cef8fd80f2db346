"""Word times by Whisper's cross-attention, to check the aligner against. Lines are JSON.

In: `{"audio": FILE}`. Out: `{"words": [[text, start_s, end_s], …]}` as Whisper heard them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from feed import Protocol, options
from whisper_weights import whisper_folder


def main() -> None:
    protocol, wanted = Protocol(), options()
    model = WhisperModel(
        str(whisper_folder(wanted["model"], Path(wanted["cache"]))),
        device="cpu",
        compute_type="auto",
    )
    for line in sys.stdin:
        audio = np.fromfile(json.loads(line)["audio"], np.float32)
        segments, _ = model.transcribe(audio, language="en", beam_size=1, word_timestamps=True)
        words = [word for segment in segments for word in segment.words or ()]
        protocol.say({"words": [[word.word, word.start, word.end] for word in words]})


if __name__ == "__main__":
    main()
