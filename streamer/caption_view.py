"""Live captions in a terminal: committed text solid, tentative text dimmed, emotion and lag.

Where the output is no terminal, finished segments are printed instead, a line each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from clients.transcript import Transcript
from streamer.protocol import (
    DecoderEvent,
    EmotionEvent,
    ErrorEvent,
    LatencyEvent,
    LossEvent,
    SegmentEvent,
    ServerEvent,
    WireEmotion,
    WordsEvent,
)

EMOTION_STYLES: Final = {
    "neutral": "white",
    "happy": "yellow",
    "sad": "blue",
    "angry": "red",
    "fearful": "magenta",
    "disgust": "green",
    "unknown": "bright_black",
}
_SHOWN_SEGMENTS: Final = 6
_METER_WIDTH: Final = 16
_METER_FLOOR_DB: Final = -60.0


class CaptionView:
    """What is shown of a session. `apply` every event; print it at any time."""

    def __init__(self, transcript: Transcript, title: str) -> None:
        self.title = title
        self.level_db: float | None = None
        """Of the microphone; None shows no meter."""
        self._transcript = transcript
        self._emotion: WireEmotion | None = None
        self._lag_ms: float | None = None
        self._lost_samples = 0
        self._notice = ""

    def apply(self, event: ServerEvent) -> None:
        if isinstance(event, EmotionEvent):
            self._emotion = event.emotion
        elif isinstance(event, LossEvent):
            self._lost_samples += event.lost_samples
        elif isinstance(event, DecoderEvent):
            self._notice = f"{event.decoder} decoder: {event.reason}"
        elif isinstance(event, ErrorEvent):
            self._notice = f"{event.code.value}: {event.message}"
        if isinstance(event, WordsEvent | SegmentEvent | EmotionEvent | LatencyEvent):
            self._lag_ms = event.lag_ms

    def __rich__(self) -> RenderableType:
        return Group(
            Panel(self._captions(), title=self.title, title_align="left", padding=(0, 1)),
            self._status(),
        )

    def _captions(self) -> Text:
        lines = [
            segment_line(segment.text, segment.emotion)
            for segment in self._transcript.segments[-_SHOWN_SEGMENTS:]
        ]
        said = " ".join(w.text for w in self._transcript.committed if w.state == "committed")
        guessed = " ".join(word.text for word in self._transcript.tentative)
        if said or guessed:
            open_line = segment_line(said, self._emotion)
            open_line.append(" " if said and guessed else "").append(guessed, style="dim italic")
            lines.append(open_line)
        return Text("\n").join(lines) if lines else Text("listening …", style="dim")

    def _status(self) -> Text:
        parts = []
        if self.level_db is not None:
            parts.append(meter(self.level_db))
        if self._emotion is not None:
            probability = self._emotion.probs.get(self._emotion.label)
            shown = f" {probability:.0%}" if probability is not None else ""
            style = EMOTION_STYLES.get(self._emotion.label, "white")
            parts.append(Text(f"{self._emotion.label}{shown}", style=style))
        if self._lag_ms is not None:
            parts.append(Text(f"lag {self._lag_ms:.0f} ms"))
        if self._lost_samples:
            parts.append(Text(f"lost {self._lost_samples / 16_000:.1f} s", style="red"))
        if self._notice:
            parts.append(Text(self._notice, style="dim"))
        return Text("  ").join(parts)


def segment_line(text: str, emotion: WireEmotion | None) -> Text:
    """A segment with its emotion in front."""
    label = emotion.label if emotion is not None else "unknown"
    line = Text().append(f"{label:>8}  ", EMOTION_STYLES.get(label, "white"))
    return line.append(text)


def meter(level_db: float) -> Text:
    """A bar from -60 dB to full scale; red close to clipping."""
    share = min(1.0, max(0.0, 1 - level_db / _METER_FLOOR_DB))
    filled = round(share * _METER_WIDTH)
    style = "red" if level_db > -3 else "green"
    return Text().append("█" * filled, style).append("░" * (_METER_WIDTH - filled), "dim")


class ShownCaptions:
    """Keeps a console up to date with a view."""

    def __init__(self, console: Console, view: CaptionView, live: Live | None) -> None:
        self._console = console
        self._view = view
        self._live = live

    def apply(self, event: ServerEvent) -> None:
        self._view.apply(event)
        if self._live is None and isinstance(event, SegmentEvent) and event.text:
            line = segment_line(event.text, event.emotion)
            line.append(f"  ({event.start_ms / 1000:.1f} s, lag {event.lag_ms:.0f} ms)", "dim")
            self._console.print(line, soft_wrap=True)
        elif self._live is None and isinstance(event, ErrorEvent):
            self._console.print(f"{event.code.value}: {event.message}", markup=False)


@contextmanager
def shown(console: Console, view: CaptionView) -> Iterator[ShownCaptions]:
    """Show the view while the block runs; its last state stays on the screen."""
    if not console.is_terminal:
        yield ShownCaptions(console, view, None)
        return
    with Live(view, console=console, refresh_per_second=12) as live:
        yield ShownCaptions(console, view, live)
