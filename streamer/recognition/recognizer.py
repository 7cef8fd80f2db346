"""One session's road from samples to events: ring buffer, gate, decoders, emotion, ledger.

Steps end on a fixed grid of the session clock, so the same audio gives the same events however
it was cut into chunks. A step that comes late covers several grid points at once: cadence adapts
to the machine and lag stays bounded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.audio.ring_buffer import RingBuffer
from streamer.decoding.hot_words import HotWords
from streamer.decoding.llm_lane import TimedFusion
from streamer.decoding.segment_audio import SegmentAudio
from streamer.decoding.speech import Speech
from streamer.decoding.streaming_decoder import PolicyOptions, StreamingDecoder
from streamer.decoding.words import TimedWord
from streamer.models.emotion.track import UNKNOWN
from streamer.models.fusion.score import Fusion
from streamer.models.moonshine.encoder import Audio
from streamer.models.silero import FRAME_SAMPLES, VadStream
from streamer.recognition.contract import Decoder
from streamer.recognition.emotion_monitor import EmotionMonitor
from streamer.recognition.endpointer import Edge, Endpointer, EndpointerOptions, Transition
from streamer.runtime.tracing import SpanSink
from streamer.transcript.events import (
    AudioLost,
    DecoderChanged,
    SegmentClosed,
    SessionEvent,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Emotion, Ledger, Word


@dataclass(frozen=True)
class RecognizerOptions:
    hop_ms: float = 256
    """Grid of the steps; a multiple of the detector's 32 ms frame."""
    afresh_every_ms: float = 1_000
    """After this much audio, and when speech pauses, the whole window is encoded again and the
    committed words are decoded again; between them what is old is kept as it is."""
    buffer_ms: float = 20_000
    """Audio that may wait for its step; more is an overrun and is counted as lost."""
    max_segment_ms: float = 30_000
    """A segment longer than this is closed behind its last committed word."""
    kept_segments: int = 100
    """Final segments that the ledger keeps; a session of hours must not grow."""
    fused_backlog_ms: float = 960
    """With more audio than this waiting, the LLM is left out until the backlog is gone."""
    step_silence_ms: float = 160
    """Silence appended to the window of every step. Without it the decoder, cut off in the middle
    of a sound, guesses wildly; with it half as many tentative words are wrong."""
    closing_silence_ms: float = 320
    """Silence appended when a segment is closed from outside; the decoder ends sentences on it."""
    policy: PolicyOptions = field(default_factory=PolicyOptions)
    gate: EndpointerOptions = field(default_factory=EndpointerOptions)


class Recognizer:
    """See `streamer.recognition.contract.SpeechRecognizer` for the contract."""

    def __init__(
        self,
        speech: Speech,
        options: RecognizerOptions,
        *,
        fusion: TimedFusion | None,
        emotion: EmotionMonitor | None,
        spans: SpanSink,
        hot_words: Sequence[str] = (),
    ) -> None:
        self.ledger = Ledger(options.kept_segments)
        self._speech = speech
        self._options = options
        self._fusion = fusion
        self._emotion = emotion
        self._hot_words = HotWords(hot_words, speech.tokenizer)
        self._spans = spans
        self._hop = samples_from_ms(options.hop_ms)
        self._limit = samples_from_ms(options.buffer_ms)
        self._afresh_samples = samples_from_ms(options.afresh_every_ms)
        window = samples_from_ms(options.policy.max_window_ms + options.policy.max_open_ms)
        self._ring = RingBuffer(self._limit + 2 * window)
        self._vad = VadStream(speech.vad)
        self._gate = Endpointer(FRAME_SAMPLES, options.gate)
        self._segment: StreamingDecoder | None = None
        self._audio = SegmentAudio(0)
        self._processed = 0
        self._claimed = 0
        self._lost_until = 0
        self._lost = 0
        self._accept_lock = threading.Lock()
        self._steps = 0
        self._stages_ms: dict[str, float] = {}
        self._decoder: Decoder = "fused" if self._fusion else "draft"

    @property
    def received_samples(self) -> int:
        return self._ring.end

    @property
    def processed_samples(self) -> int:
        return self._processed

    @property
    def lost_samples(self) -> int:
        return self._lost

    def accept(self, samples: Floats) -> list[AudioLost]:
        """Take 16 kHz mono samples; reports audio that an overrun pushed out unheard."""
        with self._accept_lock:
            end = self._ring.write(samples)
            return self._overrun(end - self._limit, end)

    def skip(self, n_samples: int, reason: str) -> list[AudioLost]:
        """Advance the clock over audio that never arrived; silence stands in for it."""
        with self._accept_lock:
            start = self._ring.end
            for at in range(0, n_samples, self._limit):
                self._ring.write(np.zeros(min(self._limit, n_samples - at), np.float32))
            # The silence itself is counted as the hole already.
            overrun = self._overrun(self._ring.end - self._limit, start)
            return [self._lose(start, n_samples, reason), *overrun]

    def due(self) -> bool:
        return self._ring.end - self._processed >= self._hop

    def step(self, *, thorough: bool = False) -> Iterator[SessionEvent]:
        """Process the audio up to the newest grid point, or just to the next one."""
        newest = self._ring.end // self._hop
        following = self._processed // self._hop + 1
        yield from self._advance((min(newest, following) if thorough else newest) * self._hop)

    def finalize(self, cause: str = "finalize") -> Iterator[SessionEvent]:
        """Process all audio that has arrived and close the open segment."""
        received = self._ring.end
        yield from self._advance(received // FRAME_SAMPLES * FRAME_SAMPLES)
        if self._segment is not None:
            yield from self._close_segment(received, cause, self._options.closing_silence_ms)
            self._gate.close(received)
            yield self._done()

    def close(self) -> None:
        self._segment = None

    def _overrun(self, oldest: int, counted_until: int) -> list[AudioLost]:
        """Give up all unheard audio before `oldest`; what lies before `counted_until` is loss."""
        lost_from = max(self._claimed, self._lost_until)
        self._lost_until = max(self._lost_until, oldest)
        lost = min(oldest, counted_until) - lost_from
        return [self._lose(lost_from, lost, "overrun")] if lost > 0 else []

    def _lose(self, start: int, n_samples: int, reason: str) -> AudioLost:
        self._lost += n_samples
        return AudioLost(start, n_samples, reason)

    def _advance(self, target: int) -> Iterator[SessionEvent]:
        yield from self._jump_over_lost()
        if target <= self._processed:
            return
        backlog = target - self._processed
        with self._accept_lock:
            self._claimed = target
        with self._timed("vad", "asr"):
            probabilities = self._vad.probabilities(self._ring.read(self._processed, target))
        for transition in self._gate.push(probabilities.tolist()):
            yield from self._apply(transition)
        if self._segment is not None:
            yield from self._decode(self._segment, target, backlog)
        self._processed = target
        yield self._done()

    def _jump_over_lost(self) -> Iterator[SessionEvent]:
        """Go on behind audio that an overrun took; what was committed is closed first."""
        with self._accept_lock:
            target = -(-self._lost_until // FRAME_SAMPLES) * FRAME_SAMPLES
            if target <= self._processed:
                return
            self._claimed = target
        if self._segment is not None:
            yield from self._end_segment(self._segment.committed_end, "loss")
        self._gate.jump(target)
        self._vad = VadStream(self._speech.vad)
        self._processed = target

    def _apply(self, transition: Transition) -> Iterator[SessionEvent]:
        if transition.edge is Edge.START:
            opened = self.ledger.open(transition.sample)
            yield SpeechBegan(opened.id, opened.start_sample)
            self._segment = StreamingDecoder(
                self._speech,
                self._speech.tokenizer,
                self._options.policy,
                transition.sample,
                self._hot_words,
            )
            self._audio = SegmentAudio(transition.sample)
        else:
            yield from self._close_segment(transition.sample, "silence")

    def _encode(
        self, segment: StreamingDecoder, end: int, silence_ms: float, *, afresh: bool
    ) -> Audio | None:
        """The segment's window up to `end` and so much silence; None if it is too short."""
        afresh = afresh or self._audio.fresh_until + self._afresh_samples <= end
        if afresh:
            segment.recall()
        request = self._audio.request(
            self._ring.read,
            segment.window_start,
            end,
            silence_samples=samples_from_ms(silence_ms),
            afresh=afresh,
        )
        with self._timed("encode", "asr"):
            return self._speech.encode(request)

    def _decode(self, segment: StreamingDecoder, end: int, backlog: int) -> Iterator[SessionEvent]:
        if self._emotion is not None:
            self._emotion.start(self._ring.read, self._segment_start(), end)
        pause = self._gate.pause_end
        if pause is None:
            yield from self._follow(segment, end, backlog)
        elif segment.settled_at != pause:
            yield from self._rest(segment, pause, end, backlog)
        yield from self._collect_emotion()
        if end - self._segment_start() >= samples_from_ms(self._options.max_segment_ms):
            yield from self._split_segment(segment)

    def _follow(self, segment: StreamingDecoder, end: int, backlog: int) -> Iterator[SessionEvent]:
        """A step while somebody speaks."""
        audio = self._encode(segment, end, self._options.step_silence_ms, afresh=False)
        if audio is None:
            return
        with self._timed("decode", "asr"):
            segment.draft(audio, end)
        yield from self._choose_decoder(backlog)
        if self._fusion is None or self._decoder == "draft":
            with self._timed("commit", "asr"):
                committed = segment.commit_by_agreement(end, self._fusion)
            self._processed = end
            yield self._words(segment, committed)
            return
        # The new audio is on the screen; what follows only decides on commits.
        self._processed = end
        yield self._words(segment, ())
        if segment.at_commit_point(end):
            self._tell_emotion(self._fusion)
            with self._timed("fuse", "asr"):
                committed = segment.commit_by_fusion(audio, end, self._fusion)
            yield self._words(segment, committed)

    def _rest(
        self, segment: StreamingDecoder, pause: int, end: int, backlog: int
    ) -> Iterator[SessionEvent]:
        """The first step of a pause: decode as if the segment ended there, as it may."""
        yield from self._choose_decoder(backlog)
        if self._settle(segment, pause, silence_ms=0):
            committed = segment.commit_at_pause(self._fusion)
            self._processed = end
            yield self._words(segment, committed)

    def _settle(self, segment: StreamingDecoder, end: int, silence_ms: float) -> bool:
        """Decode up to `end` for good; whether there was enough audio to."""
        audio = self._encode(segment, end, silence_ms, afresh=True)
        if audio is None:
            return False
        fusion = self._fusion if self._decoder == "fused" else None
        if fusion is not None:
            self._tell_emotion(fusion)
        with self._timed("fuse" if fusion else "decode", "asr"):
            segment.settle(audio, end, fusion)
        return True

    def _choose_decoder(self, backlog: int) -> Iterator[SessionEvent]:
        """The LLM is the first to go when the machine falls behind, and comes back by itself."""
        if self._fusion is None:
            return
        late = backlog > samples_from_ms(self._options.fused_backlog_ms)
        if late and self._decoder == "fused":
            self._decoder = "draft"
            yield DecoderChanged("draft", "the machine is behind; the LLM is paused")
        elif not late and self._decoder == "draft" and backlog <= self._hop:
            self._decoder = "fused"
            yield DecoderChanged("fused", "the machine has caught up")

    def _close_segment(self, end: int, cause: str, silence_ms: float = 0) -> Iterator[SessionEvent]:
        segment = self._segment
        if segment is None:
            return
        if segment.settled_at == end or self._settle(segment, end, silence_ms):
            yield self._words(segment, segment.finish(self._fusion))
        yield from self._end_segment(end, cause)

    def _end_segment(self, end: int, cause: str) -> Iterator[SessionEvent]:
        emotion = None
        if self._emotion is not None and self.ledger.open_segment is not None:
            start = self._segment_start()
            if self.ledger.open_segment.words and self._ring.start <= start:
                emotion = self._emotion_of(start, end)
            else:
                self._emotion.collect()
        self._segment = None
        yield SegmentClosed(self.ledger.close(end, emotion), cause)

    def _split_segment(self, segment: StreamingDecoder) -> Iterator[SessionEvent]:
        """Close the ledger's segment behind its last committed word; decoding goes on."""
        open_segment = self.ledger.open_segment
        if open_segment is None or not open_segment.words:
            return
        end = open_segment.words[-1].end_sample
        emotion = self._emotion_of(open_segment.start_sample, end)
        yield SegmentClosed(self.ledger.close(end, emotion), "length")
        self.ledger.open(end)
        yield self._words(segment, ())

    def _collect_emotion(self) -> Iterator[SessionEvent]:
        update = self._emotion.collect() if self._emotion is not None else None
        if update is not None:
            yield update

    def _tell_emotion(self, fusion: Fusion) -> None:
        if self._emotion is None:
            return
        if self._emotion.label is not None and self._emotion.label != UNKNOWN:
            fusion.hear(self._emotion.label)
        if self._emotion.frames is not None:
            fusion.perceive("emotion", self._emotion.frames)

    def _emotion_of(self, start: int, end: int) -> Emotion | None:
        """The emotion of a segment that ends, by its sound and its words."""
        if self._emotion is None:
            return None
        felt = self._fusion.felt if self._fusion and self._decoder == "fused" else None
        return self._emotion.segment(self._ring.read, start, end, felt)

    def _words(self, segment: StreamingDecoder, committed: Sequence[TimedWord]) -> WordsUpdate:
        words = self._add(committed)
        tentative = self.ledger.set_tentative([w.hypothesis() for w in segment.tentative])
        return WordsUpdate(self._segment_id(), words, tentative)

    def _add(self, committed: Sequence[TimedWord]) -> tuple[Word, ...]:
        return self.ledger.commit([word.hypothesis() for word in committed])

    def _segment_start(self) -> int:
        open_segment = self.ledger.open_segment
        return open_segment.start_sample if open_segment else self._processed

    def _segment_id(self) -> int:
        open_segment = self.ledger.open_segment
        return open_segment.id if open_segment else -1

    def _done(self) -> StepDone:
        self._steps += 1
        stages, self._stages_ms = self._stages_ms, {}
        if self._fusion is not None and self._fusion.busy_ms:
            stages["llm"] = self._fusion.busy_ms
            self._fusion.busy_ms = 0.0
        if self._emotion is not None and (busy := self._emotion.busy_ms()):
            stages["emotion"] = busy
        backlog = self._ring.end - self._processed
        return StepDone(self._steps, self._processed, backlog, stages)

    @contextmanager
    def _timed(self, stage: str, lane: str) -> Iterator[None]:
        began = time.perf_counter_ns()
        try:
            yield
        finally:
            ended = time.perf_counter_ns()
            self._spans.add(stage, lane, began, ended)
            elapsed = (ended - began) / 1e6
            self._stages_ms[stage] = self._stages_ms.get(stage, 0.0) + elapsed
