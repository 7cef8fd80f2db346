"""PocketSphinx with the English models in its wheel, as its live example does: endpointer, decoder.

An utterance is committed when the endpointer has heard its end.
"""

from __future__ import annotations

import time
from importlib import metadata

from feed import Floats, Protocol, Screen, Times, paced, pcm16
from pocketsphinx import Decoder, Endpointer


def main() -> None:
    protocol = Protocol()
    spare = [Decoder(samprate=16000, loglevel="FATAL")]

    def hear(samples: Floats, screen: Screen) -> Times:
        decoder = spare.pop() if spare else Decoder(samprate=16000, loglevel="FATAL")
        endpointer = Endpointer(sample_rate=16000)
        committed: list[str] = []

        def text() -> str:
            heard = decoder.hyp()
            return heard.hypstr if heard else ""

        def listen(speech: bytes | None, was_in_speech: bool) -> None:
            if speech is None:
                return
            if not was_in_speech:
                decoder.start_utt()
            decoder.process_raw(speech)
            if endpointer.in_speech:
                screen.show(" ".join(committed), text())
                return
            decoder.end_utt()
            committed.append(text())
            screen.show(" ".join(committed), "")

        started = time.monotonic()
        waiting = b""
        for piece in paced(samples, started):
            waiting += pcm16(piece)
            while len(waiting) > endpointer.frame_bytes:
                frame = waiting[: endpointer.frame_bytes]
                waiting = waiting[endpointer.frame_bytes :]
                was_in_speech = endpointer.in_speech
                listen(endpointer.process(frame), was_in_speech)
        sent = time.monotonic()
        was_in_speech = endpointer.in_speech
        listen(endpointer.end_stream(waiting), was_in_speech)
        spare.append(decoder)
        return {"started": started, "sent": sent}

    protocol.serve(hear, {"version": metadata.version("pocketsphinx")})


if __name__ == "__main__":
    main()
