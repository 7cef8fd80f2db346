"""Forced alignment of known words with PocketSphinx. Lines in and out are JSON.

In: `{"audio": FILE, "words": […]}`. Out: `{"spans": [[start_s, end_s], …]}`, one for each word, or
`{"unknown": […]}` with the words that its dictionary lacks, or `{"spans": null}` if it found no way
through the audio.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from feed import Protocol, pcm16
from pocketsphinx import Decoder

_FRAME_S = 0.01


def spans(decoder: Decoder, pcm: bytes, words: list[str]) -> list[list[float]] | None:
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    segments = decoder.seg()
    found = [s for s in segments or () if s.word[0] not in "<["]
    if [s.word.split("(")[0] for s in found] != words:
        return None
    return [[s.start_frame * _FRAME_S, (s.end_frame + 1) * _FRAME_S] for s in found]


def main() -> None:
    protocol = Protocol()
    decoder = Decoder(samprate=16000, lm=None, loglevel="FATAL")
    for line in sys.stdin:
        request = json.loads(line)
        unknown = [word for word in request["words"] if decoder.lookup_word(word) is None]
        if unknown:
            protocol.say({"unknown": unknown})
            continue
        pcm = pcm16(np.fromfile(request["audio"], np.float32))
        protocol.say({"spans": spans(decoder, pcm, request["words"])})


if __name__ == "__main__":
    main()
