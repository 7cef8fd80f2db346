"""One session's road from samples to events: buffer, endpointer, words, emotion, ledger.

Steps end on a fixed grid of the session clock, so the same audio gives the same events however
it was cut into chunks. A step that comes late covers several grid points at once: cadence adapts
to the machine and lag stays bounded.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.models.silero import FRAME_SAMPLES, Vad
from streamer.recognition.audio_buffer import AudioBuffer
from streamer.recognition.contract import BEGINNING, SessionChange, StartPoint
from streamer.recognition.emotion_monitor import EmotionMonitor
from streamer.recognition.endpointer import Edge, Endpointer, Transition
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.sounds.monitor import SoundMonitor
from streamer.recognition.speakers.labels import SpeakerLabels
from streamer.recognition.speakers.monitor import SpeakerMonitor
from streamer.recognition.speech_detector import SpeechDetector
from streamer.recognition.stage_times import StageTimes
from streamer.recognition.turns.confidence import Evidence
from streamer.recognition.turns.detector import TurnDetector
from streamer.recognition.voice.meter import VoiceMeter
from streamer.recognition.words.contract import SegmentWords, SessionWords, Sound, Told
from streamer.recognition.words.expectation import Expectation
from streamer.recognition.words.tentative import without_full_stop
from streamer.runtime.tracing import span
from streamer.transcript.events import (
    AudioLost,
    LanguageChanged,
    SegmentClosed,
    SessionEvent,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Arousal, Emotion, Ledger, NewWord, Voice, Word
from streamer.transcript.written.writer import Writer


class Recognizer:
    """See `streamer.recognition.contract.SpeechRecognizer` for the contract."""

    def __init__(
        self,
        vad: Vad,
        options: RecognizerOptions,
        words: SessionWords,
        *,
        emotion: EmotionMonitor | None,
        stages: StageTimes,
        voice: VoiceMeter | None = None,
        speakers: SpeakerMonitor | None = None,
        sounds: SoundMonitor | None = None,
        start: StartPoint = BEGINNING,
        writer: Writer | None = None,
        expectation: Expectation | None = None,
        turns: TurnDetector | None = None,
    ) -> None:
        """
        Args:
            writer: None writes words as they are recognized.
            turns: None: nobody asks for turns.
        """
        self.expectation = expectation or Expectation()
        self.turns = turns
        self.ledger = Ledger(
            options.kept_segments,
            start_sample=start.sample,
            next_word_id=start.word_id,
            next_segment_id=start.segment_id,
        )
        self._vad_model = vad
        self._options = options
        self._words = words
        self._writer = writer or Writer()
        self._emotion = emotion
        self._voice = voice
        self._speakers = SpeakerLabels(speakers, self.ledger)
        self._sounds = sounds
        self._stages = stages
        self._hop = samples_from_ms(options.hop_ms)
        decoder = options.decoder
        window = samples_from_ms(decoder.max_window_ms + decoder.agreement.max_open_ms)
        self._buffer = AudioBuffer(samples_from_ms(options.buffer_ms), 2 * window, start)
        self._detector = SpeechDetector(vad, start.sample)
        self._endpointer = Endpointer(FRAME_SAMPLES, options.endpointer)
        self._endpointer.jump(start.sample)
        self._segment: SegmentWords | None = None
        """The words of the open one."""
        self._processed = start.sample
        self._steps = 0

    @property
    def received_samples(self) -> int:
        return self._buffer.end

    @property
    def processed_samples(self) -> int:
        return self._processed

    @property
    def lost_samples(self) -> int:
        return self._buffer.lost_samples

    def accept(self, samples: Floats) -> list[AudioLost]:
        """Take 16 kHz mono samples; reports audio that an overrun pushed out unheard."""
        return self._buffer.accept(samples)

    def skip(self, n_samples: int, reason: str) -> list[AudioLost]:
        """Advance the clock over audio that never arrived; silence stands in for it."""
        return self._buffer.skip(n_samples, reason)

    def hush(self, start: int) -> None:
        """See `SpeechRecognizer`."""
        self._detector.hush(start)

    def due(self) -> bool:
        return self._buffer.end - self._processed >= self._hop

    def step(self, *, thorough: bool = False) -> Iterator[SessionEvent]:
        """Process the audio up to the newest grid point, or just to the next one."""
        newest = self._buffer.end // self._hop
        following = self._processed // self._hop + 1
        yield from self._advance((min(newest, following) if thorough else newest) * self._hop)

    def finalize(self, cause: str = "finalize") -> Iterator[SessionEvent]:
        """Process all audio that has arrived and close the open segment."""
        received = self._buffer.end
        yield from self._advance(received // FRAME_SAMPLES * FRAME_SAMPLES)
        if self._segment is not None:
            yield from self._close_segment(received, cause, self._options.closing_silence_ms)
            self._endpointer.close(received)
            yield self._done()
        if self.turns is not None:
            yield from self.turns.end(received, "timeout" if cause == "silence" else "finalize")
        self._endpointer.mark(received)

    def change(self, change: SessionChange) -> None:
        """See `SpeechRecognizer`."""
        old, self.expectation = self.expectation, self.expectation.changed(change)
        if self.expectation != old:
            self._words.expect(self.expectation)
            self._writer.expect(self.expectation.hot_words)
        if change.turns is None:
            return
        if self.turns is None:
            self.turns = TurnDetector(change.turns)
        self.turns.options = change.turns

    def close(self) -> None:
        self._segment = None

    def _advance(self, target: int) -> Iterator[SessionEvent]:
        yield from self._jump_over_lost()
        if target <= self._processed:
            return
        backlog = target - self._processed
        self._buffer.claim(target)
        samples = self._buffer.read(self._processed, target)
        if self._sounds is not None:
            self._sounds.start(samples, self._processed)
        with span(self._stages, "vad", "asr"):
            probabilities = self._detector.probabilities(samples)
        for transition in self._endpointer.push(probabilities.tolist()):
            yield from self._apply(transition)
        if self._segment is not None:
            yield from self._hear(self._segment, target, backlog)
        self._processed = target
        if self.turns is not None:
            yield from self._follow_turn(self.turns, target)
        if self._sounds is not None:
            yield from self._sounds.collect()
        yield self._done()

    def _jump_over_lost(self) -> Iterator[SessionEvent]:
        """Go on behind audio that an overrun took; what was committed is closed first."""
        target = self._buffer.claim_behind_loss(self._processed, FRAME_SAMPLES)
        if target is None:
            return
        if self._segment is not None:
            yield from self._end_segment(self._segment.committed_end, "loss")
        self._endpointer.jump(target)
        self._detector = SpeechDetector(self._vad_model, target)
        self._processed = target

    def _apply(self, transition: Transition) -> Iterator[SessionEvent]:
        if transition.edge is Edge.START:
            opened = self.ledger.open(transition.sample)
            yield SpeechBegan(opened.id, opened.start_sample)
            self._segment = self._words.begin(self._sound, transition.sample, transition.audio_from)
            self._speakers.begin(transition.sample)
        else:
            yield from self._close_segment(transition.sample, "silence")

    def _hear(self, words: SegmentWords, end: int, backlog: int) -> Iterator[SessionEvent]:
        if self._emotion is not None:
            self._emotion.start(self._buffer.read, self._segment_start(), end)
        self._speakers.start(self._sound, end)
        pause = self._endpointer.pause_end
        told = words.step(end, backlog) if pause is None else words.pause(pause, backlog)
        yield from self._tell(words, told, end)
        yield from self._collect_emotion()
        yield from self._speakers.collect(self._sound, end)
        if end - self._segment_start() >= samples_from_ms(self._options.max_segment_ms):
            yield from self._split_segment(words)

    def _tell(self, words: SegmentWords, told: Iterator[Told], end: int) -> Iterator[SessionEvent]:
        for one in told:
            if isinstance(one, tuple):
                self._processed = end
                yield from self._told(self._update(words, one))
            else:
                if isinstance(one, LanguageChanged):
                    self._writer.hear(one.language)
                yield one

    def _follow_turn(self, turns: TurnDetector, end: int) -> Iterator[SessionEvent]:
        """What the sound up to `end` means for the open turn."""
        words, since = self._segment, self._endpointer.silent_since
        if self._endpointer.is_open and turns.silent_since not in (None, since):
            yield from turns.resumed(end if since is None else since)
        if words is not None and since is not None and self._endpointer.pause_end is not None:
            if turns.is_open and turns.silent_since is None:
                self._look_at_pause(turns, since, words)
        elif words is None and turns.is_open and turns.silent_since is None:
            # The segment has ended before anybody looked at its pause.
            text, silent_since = turns.last_word
            turns.paused(silent_since, Evidence(text))
        yield from turns.waited(end)
        cause = turns.end_due(end)
        if cause is not None:
            if words is not None and turns.silent_since is not None:
                yield from self._tell(words, words.settle(), end)
                yield from self._release()
            yield from turns.end(end, cause)

    def _look_at_pause(self, turns: TurnDetector, since: int, words: SegmentWords) -> None:
        open_words = self._writer.show(words.tentative)
        text = open_words[-1].text if open_words else turns.last_word[0]
        with span(self._stages, "turn", "asr"):
            evidence = Evidence(text, words.sentence_over())
        turns.paused(since, evidence, open_words)

    def _close_segment(self, end: int, cause: str, silence_ms: float = 0) -> Iterator[SessionEvent]:
        words = self._segment
        if words is None:
            return
        yield from self._tell(words, words.close(end, silence_ms), self._processed)
        yield from self._end_segment(end, cause)

    def _end_segment(self, end: int, cause: str) -> Iterator[SessionEvent]:
        yield from self._release()
        emotion = None
        speaker, arousal = yield from self._split_by_speaker()
        if self._emotion is not None and self.ledger.open_segment is not None:
            start = self._segment_start()
            if self.ledger.open_segment.words and self._buffer.start <= start:
                emotion = self._emotion_of(start, end, arousal)
            else:
                self._emotion.collect()
        self._segment = None
        yield SegmentClosed(self.ledger.close(end, emotion, speaker), cause)

    def _release(self) -> Iterator[SessionEvent]:
        """Commit what waited for a number to go on."""
        waited = self._writer.end_segment()
        if waited:
            yield from self._told(WordsUpdate(self._segment_id(), self._commit(waited), ()))

    def _told(self, update: WordsUpdate) -> Iterator[SessionEvent]:
        """The update, behind what it means for turns."""
        if self.turns is not None:
            yield from self.turns.heard(update)
        yield update

    def _split_segment(self, words: SegmentWords) -> Iterator[SessionEvent]:
        """Close the ledger's segment behind its last committed word; hearing goes on."""
        open_segment = self.ledger.open_segment
        if open_segment is None or not open_segment.words:
            return
        end = open_segment.words[-1].end_sample
        speaker, arousal = yield from self._split_by_speaker(goes_on=True)
        emotion = self._emotion_of(self._segment_start(), end, arousal)
        yield SegmentClosed(self.ledger.close(end, emotion, speaker), "length")
        self.ledger.open(end)
        yield self._update(words, ())

    def _split_by_speaker(
        self, *, goes_on: bool = False
    ) -> Generator[SessionEvent, None, tuple[int | None, Arousal | None]]:
        """Gives who speaks last in the open segment, and how excited: the words of several are not
        measured against each other."""
        arousal = self._voice.close_segment() if self._voice is not None else None
        there = range(self._buffer.start, self._buffer.end)
        speaker, several = yield from self._speakers.split(
            self._sound, there, self._emotion_of, goes_on=goes_on
        )
        return speaker, None if several else arousal

    def _collect_emotion(self) -> Iterator[SessionEvent]:
        update = self._emotion.collect() if self._emotion is not None else None
        if update is not None:
            yield update

    def _emotion_of(self, start: int, end: int, arousal: Arousal | None) -> Emotion | None:
        """The emotion of a segment that ends."""
        if self._emotion is None:
            return None
        emotion = self._emotion.segment(self._buffer.read, start, end)
        return emotion if emotion is None else replace(emotion, arousal=arousal)

    def _update(self, words: SegmentWords, committed: tuple[NewWord, ...]) -> WordsUpdate:
        added = self._commit(self._writer.commit(committed))
        shown = self._writer.show(without_full_stop(words.tentative))
        tentative = self.ledger.set_tentative(shown, self._speakers.of(shown))
        return WordsUpdate(self._segment_id(), added, tentative)

    def _commit(self, words: Sequence[NewWord]) -> tuple[Word, ...]:
        return self.ledger.commit(words, self._voices(words), self._speakers.of(words))

    def _voices(self, words: Sequence[NewWord]) -> list[Voice]:
        if self._voice is None:
            return []
        with span(self._stages, "voice", "emotion"):
            there = self._buffer.read_what_is_there
            sounds = (there(word.start_sample, word.end_sample) for word in words)
            return [self._voice.measure(sound) for sound in sounds]

    @property
    def _sound(self) -> Sound:
        return Sound(self._buffer.read, self._detector.between)

    def _segment_start(self) -> int:
        open_segment = self.ledger.open_segment
        return open_segment.start_sample if open_segment else self._processed

    def _segment_id(self) -> int:
        open_segment = self.ledger.open_segment
        return open_segment.id if open_segment else -1

    def _done(self) -> StepDone:
        self._steps += 1
        backlog = self._buffer.end - self._processed
        return StepDone(self._steps, self._processed, backlog, self._stages.take())
