"""Live captions in a terminal: committed text solid, tentative text dimmed, emotion, level, lag.

Where the output is no terminal, finished segments are printed instead, a line each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from streamer.audio.clock import seconds_from_samples
from streamer.client.transcript import Transcript, TranscriptSegment
from streamer.models.emotion.track import UNKNOWN
from streamer.protocol.joining import gap, joined
from streamer.protocol.messages import (
    DecoderEvent,
    EmotionEvent,
    ErrorEvent,
    LanguageEvent,
    LatencyEvent,
    LossEvent,
    SegmentEvent,
    ServerEvent,
    WordsEvent,
)
from streamer.protocol.words import SoundEvent, WireEmotion, WireWord
from streamer.transcript.emotion_shown import EmotionShown, is_sure, volume
from streamer.transcript.sides import NOBODY, Names, Naming

EMOTION_STYLES: Final = {
    "neutral": "default",
    "happy": "yellow",
    "sad": "blue",
    "angry": "red",
    "fearful": "magenta",
    "disgust": "green",
    "unknown": "bright_black",
}
_VOLUME_STYLES: Final = {"loud": "bold", "soft": "dim", "": ""}
_SHOWN_SEGMENTS: Final = 6
_METER_WIDTH: Final = 16
_METER_FLOOR_DB: Final = -60.0
_EMOTION_WIDTH: Final = 24
_NAMED_SHARE: Final = 0.1
"""Emotions less likely than this have their place in the bar, but no name beside it."""
_FRAME_LINES: Final = 2
_STATUS_LINES: Final = 3
"""And an empty one, where the cursor waits."""


class CaptionView:
    """What is shown of a session. `apply` every event; print it at any time."""

    def __init__(
        self,
        transcript: Transcript,
        title: str,
        emotion: EmotionShown,
        names: Names = NOBODY,
    ) -> None:
        """
        Args:
            emotion: how much of it is shown.
            names: of those who speak.
        """
        self.title = title
        self._naming = Naming(names)
        self.shown_emotion = emotion
        self.level_db: float | None = None
        """Of the microphone; None shows no meter."""
        self.connected = True
        self.notice = ""
        self.transcript = transcript
        self.lag_ms: float | None = None
        self._emotions: dict[int, WireEmotion] = {}
        """The newest of each channel."""
        self._spoke = 0
        """The channel that it was told of last."""
        self._lost_samples = 0

    def apply(self, event: ServerEvent) -> None:
        if isinstance(event, EmotionEvent):
            self._emotions[event.channel] = event.emotion
            self._spoke = event.channel
        elif isinstance(event, LossEvent):
            self._lost_samples += event.lost_samples
        elif isinstance(event, DecoderEvent):
            self.notice = f"{event.decoder} decoder: {event.reason}"
        elif isinstance(event, LanguageEvent):
            self.notice = f"language: {event.language}"
        elif isinstance(event, ErrorEvent):
            self.notice = f"{event.code.value}: {event.message}"
        if isinstance(event, WordsEvent | SegmentEvent | EmotionEvent | LatencyEvent):
            self.lag_ms = event.lag_ms

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # What does not fit gives way from the top: the newest words are the ones to be read.
        height = max(1, options.size.height - _FRAME_LINES - _STATUS_LINES)
        lines = self._captions().wrap(console, max(1, options.max_width - 4))[-height:]
        captions = Text("\n").join(lines)
        yield Panel(captions, title=Text(self.title), title_align="left", padding=(0, 1))
        below = [self._status()]
        if self.shown_emotion is EmotionShown.FULL:
            below.insert(0, self._feeling())
        for line in below:
            line.truncate(options.max_width, overflow="ellipsis")
            yield line

    def _captions(self) -> Text:
        lines = [self.segment_line(one) for one in self.transcript.segments[-_SHOWN_SEGMENTS:]]
        for spoken in self.transcript.open:
            said = spoken.committed
            guessed = joined(word.text for word in spoken.tentative)
            if said or guessed:
                line = self._line(
                    said, self._emotions.get(spoken.channel), self._naming.of(spoken.channel, None)
                )
                line.append(gap(said[-1].text if said else "", guessed))
                lines.append(line.append(guessed, style="dim italic"))
        lines += [sound_line(one) for one in self.transcript.sounds[-1:] if one.end_ms is None]
        return Text("\n").join(lines) if lines else Text("listening …", style="dim")

    def segment_line(self, segment: TranscriptSegment) -> Text:
        """A finished segment, with as much of its emotion as is to be shown."""
        line = self._line(
            segment.words, segment.emotion, self._naming.of(segment.channel, segment.speaker)
        )
        label = segment.emotion.label if segment.emotion is not None else None
        if self.shown_emotion in (EmotionShown.SUBTLE, EmotionShown.VOICE) and is_sure(label):
            line.append(f"  ({label})", _style(str(label)))
        return line

    def _line(
        self, words: Sequence[WireWord], emotion: WireEmotion | None, name: str | None
    ) -> Text:
        line = Text()
        if name is not None:
            line.append(f"{name}: ", "bold")
        if self.shown_emotion is EmotionShown.FULL:
            label = emotion.label if emotion is not None else UNKNOWN
            line.append(f"{label:>8}  ", _style(label))
        before = ""
        for word in words:
            by_voice = self.shown_emotion is EmotionShown.VOICE
            style = _VOLUME_STYLES[volume(word.loudness) if by_voice else ""]
            line.append(gap(before, word.text)).append(word.text, style)
            before = word.text
        return line

    def _feeling(self) -> Text:
        emotion = self._emotions.get(self._spoke)
        return emotion_bar(emotion) if emotion is not None else Text()

    def _status(self) -> Text:
        parts = []
        if not self.connected:
            parts.append(Text("connection lost, reconnecting …", style="bold red"))
        if self.level_db is not None:
            parts.append(meter(self.level_db))
        if self.lag_ms is not None:
            parts.append(Text(f"lag {self.lag_ms:.0f} ms"))
        if self._lost_samples:
            parts.append(
                Text(f"lost {seconds_from_samples(self._lost_samples):.1f} s", style="red")
            )
        if self.notice:
            parts.append(Text(self.notice, style="dim"))
        return Text("  ").join(parts)


def sound_line(sound: SoundEvent) -> Text:
    """Quiet, beside what is said."""
    return Text(f"[{sound.sound}]", "dim")


def emotion_bar(emotion: WireEmotion) -> Text:
    """The label, how the probabilities share a bar, and what the likeliest are called."""
    ranked = sorted(emotion.probs.items(), key=lambda item: -item[1])
    line = Text().append(f"{emotion.label:>8}  ", _style(emotion.label))
    filled, share = 0, 0.0
    for label, probability in ranked:
        share += probability
        end = min(_EMOTION_WIDTH, round(share * _EMOTION_WIDTH))
        line.append("█" * (end - filled), _style(label))
        filled = end
    line.append("░" * (_EMOTION_WIDTH - filled), "dim")
    for label, probability in ranked:
        if probability >= _NAMED_SHARE:
            line.append(f"  {label} {probability:.0%}", _style(label))
    return line


def _style(label: str) -> str:
    return EMOTION_STYLES.get(label, "default")


def meter(level_db: float) -> Text:
    """A bar from -60 dB to full scale; red close to clipping."""
    share = min(1.0, max(0.0, 1 - level_db / _METER_FLOOR_DB))
    filled = round(share * _METER_WIDTH)
    style = "red" if level_db > -3 else "green"
    return Text().append("█" * filled, style).append("░" * (_METER_WIDTH - filled), "dim")


class ShownCaptions:
    """Keeps a console up to date with a view."""

    def __init__(self, console: Console, view: CaptionView, *, live: bool) -> None:
        self._console = console
        self._view = view
        self._live = live
        self._printed = 0
        """Segments."""

    def apply(self, event: ServerEvent) -> None:
        self._view.apply(event)
        self.print_finished()
        if not self._live and isinstance(event, SoundEvent) and event.end_ms is None:
            self._console.print(sound_line(event))
        if not self._live and isinstance(event, ErrorEvent):
            self._console.print(f"{event.code.value}: {event.message}", markup=False)

    def tell_connection(self, connected: bool) -> None:
        """It broke, or is back."""
        self._view.connected = connected
        if not self._live:
            told = "connected again" if connected else "connection lost, reconnecting …"
            self._console.print(told, markup=False)

    def print_finished(self) -> None:
        """Print for good what left the view; all that is finished, where there is no view."""
        segments = self._view.transcript.segments
        n_finished = len(segments) - (_SHOWN_SEGMENTS if self._live else 0)
        for segment in segments[self._printed : max(0, n_finished)]:
            line = self._view.segment_line(segment)
            if not self._live:
                lag = f", lag {self._view.lag_ms:.0f} ms" if self._view.lag_ms is not None else ""
                line.append(f"  ({segment.start_ms / 1000:.1f} s{lag})", "dim")
            self._console.print(line, soft_wrap=True)
            self._printed += 1


@contextmanager
def shown(console: Console, view: CaptionView) -> Iterator[ShownCaptions]:
    """Show the view while the block runs; its last state stays on the screen."""
    if not console.is_interactive:
        captions = ShownCaptions(console, view, live=False)
        try:
            yield captions
        finally:
            captions.print_finished()
        return
    with Live(view, console=console, refresh_per_second=12):
        yield ShownCaptions(console, view, live=True)
