"""Who speaks, for all sessions: one encoder of voices, behind a lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.audio.arrays import Floats
from streamer.models.silero import Vad
from streamer.models.speakers.encoder import VoiceEncoder
from streamer.recognition.contract import SessionOptions, StartPoint
from streamer.recognition.speakers.enrolment import NoVoiceError, voice_print
from streamer.recognition.speakers.monitor import SpeakerMonitor
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.speakers.voices import Voices
from streamer.recognition.stage_times import StageTimes
from streamer.runtime.batcher import Batcher, Lane, call_each


class SpeakerService:
    """Makes what each session asks."""

    def __init__(
        self, encoder: VoiceEncoder | None, batcher: Batcher, options: SpeakerOptions
    ) -> None:
        """
        Args:
            encoder: None tells nobody who speaks.
        """
        self.encoder, self._options = encoder, options
        self._lane: Lane[Callable[[], Floats], Floats] = batcher.lane(call_each)

    def monitor(
        self, options: SessionOptions, stages: StageTimes, start: StartPoint
    ) -> SpeakerMonitor | None:
        """For one session; None if it does not ask, or nobody can tell."""
        if self.encoder is None or not options.speakers:
            return None
        settings = self._options
        voices = Voices(
            options.speakers,
            settings.memory,
            start.speakers,
            options.known_voices,
            settings.known_windows,
        )
        return SpeakerMonitor(self.encoder, self._lane, settings, stages, voices)

    def voice_print(self, samples: Floats, vad: Vad) -> Floats:
        """Raises NoVoiceError: there is none, or voices are not told apart here."""
        encoder, settings = self.encoder, self._options
        if encoder is None:
            raise NoVoiceError("voices are not told apart here")

        def embed(windows: Sequence[Floats]) -> Floats:
            return self._lane.run(lambda: encoder.embed(windows))

        # Where the detector has a lane of its own, a thread of the models must not wait for it.
        return voice_print(samples, vad, embed, settings)
