"""Moonshine Voice's own streaming transcriber, on the weights that we use too.

A line of its transcript is committed when the library says that it is complete.
"""

from __future__ import annotations

import time
from importlib import metadata

from feed import Floats, Protocol, Screen, Times, options, paced
from moonshine_voice import ModelArch, Transcriber
from moonshine_voice.transcriber import Transcript


class Listener:
    """Shows the whole transcript after every update, changed or not."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._lines: dict[int, tuple[str, bool]] = {}

    def see(self, transcript: Transcript) -> None:
        for line in transcript.lines:
            self._lines[line.line_id] = (line.text, line.is_complete)
        committed = [text for text, complete in self._lines.values() if complete]
        tentative = [text for text, complete in self._lines.values() if not complete]
        self._screen.show(" ".join(committed), " ".join(tentative))


def main() -> None:
    protocol, wanted = Protocol(), options()
    # Its library does not look at the audio again within its own interval of 0.5 s, however often
    # it is asked; `transcription_interval` among the options changes that.
    settings = wanted.get("options", {})
    transcriber = Transcriber(wanted["weights"], ModelArch.TINY, options=settings)

    def hear(samples: Floats, screen: Screen) -> Times:
        listener = Listener(screen)
        stream = transcriber.create_stream(update_interval=wanted["update_interval_s"])
        update = stream.update_transcription

        def update_and_show(flags: int = 0) -> Transcript:
            transcript = update(flags)
            listener.see(transcript)
            return transcript

        stream.update_transcription = update_and_show
        stream.start()
        started = time.monotonic()
        for piece in paced(samples, started):
            stream.add_audio(piece.tolist())
        sent = time.monotonic()
        stream.stop()
        stream.close()
        return {"started": started, "sent": sent}

    protocol.serve(hear, {"version": metadata.version("moonshine-voice")})


if __name__ == "__main__":
    main()
