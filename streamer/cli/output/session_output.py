"""What becomes of a session's captions while they come: files, and live outputs."""

from __future__ import annotations

from streamer.cli.output.caption_view import CaptionView
from streamer.cli.output.live.outputs import LiveOutputs
from streamer.cli.output.received import ledger_segment, session_event
from streamer.client.client import Client
from streamer.protocol.messages import ServerEvent
from streamer.transcript.caption_files import CaptionFiles
from streamer.transcript.events import SoundHeard
from streamer.transcript.sides import OpenSegments


class Saving:
    """Writes what is final. If that fails, captioning goes on."""

    def __init__(self, client: Client, files: CaptionFiles | None, view: CaptionView) -> None:
        self.problem: OSError | None = None
        self._spoken = OpenSegments()
        self._client = client
        self._files = files
        self._view = view
        self._saved = 0

    def save(self, event: ServerEvent | None = None) -> None:
        """`event`: the newest; None: no more will come."""
        reported = session_event(event) if event is not None else None
        if reported is not None:
            self._spoken.on_event(reported)
        open_from = self._spoken.earliest if event is not None else None
        if self._files is None or self.problem is not None:
            return
        try:
            for segment in self._client.transcript.segments[self._saved :]:
                self._files.add(ledger_segment(segment), open_from)
                self._saved += 1
            if isinstance(reported, SoundHeard):
                self._files.add_sound(reported, open_from)
        except OSError as error:
            self.problem = error
            self._view.notice = f"not saved any more: {error.strerror}"


class Giving:
    """Gives captions on as they come, and shows where they do not arrive."""

    def __init__(self, outputs: LiveOutputs, view: CaptionView) -> None:
        self._outputs = outputs
        self._view = view
        self._told = ""

    def give(self, event: ServerEvent) -> None:
        reported = session_event(event)
        if reported is not None:
            self._outputs.on_event(reported)
        if self._view.notice == self._told:
            self._told = next(iter(self._outputs.problems), "")
            self._view.notice = self._told
