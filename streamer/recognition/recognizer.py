"""One session's road from samples to events: buffer, endpointer, decoders, emotion, ledger.

Steps end on a fixed grid of the session clock, so the same audio gives the same events however
it was cut into chunks. A step that comes late covers several grid points at once: cadence adapts
to the machine and lag stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.decision.second_listener import SessionListener
from streamer.decoding.segment_audio import SegmentAudio
from streamer.decoding.speech import Speech
from streamer.decoding.streaming_decoder import DecoderOptions, StreamingDecoder
from streamer.decoding.words import RecognizedWord
from streamer.models.fusion.score import Fusion
from streamer.models.moonshine.encoder import Audio
from streamer.models.silero import FRAME_SAMPLES
from streamer.recognition.audio_buffer import AudioBuffer
from streamer.recognition.contract import BEGINNING, StartPoint
from streamer.recognition.decoder_choice import Backlogs, DecoderChoice
from streamer.recognition.emotion_monitor import EmotionMonitor
from streamer.recognition.endpointer import Edge, Endpointer, EndpointerOptions, Transition
from streamer.recognition.speech_detector import SpeechDetector
from streamer.recognition.stage_times import StageTimes
from streamer.runtime.tracing import span
from streamer.transcript.events import (
    AudioLost,
    SegmentClosed,
    SessionEvent,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Emotion, Ledger


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
    listener_backlog_ms: float = 800
    """With more audio than this waiting, the second listener is left out until the backlog is
    gone."""
    fused_backlog_ms: float = 960
    """With more audio than this waiting, the LLM is left out until the backlog is gone."""
    step_silence_ms: float = 160
    """Silence appended to the window of every step. Without it the decoder, cut off in the middle
    of a sound, guesses wildly; with it half as many tentative words are wrong."""
    closing_silence_ms: float = 320
    """Silence appended when a segment is closed from outside; the decoder ends sentences on it."""
    decoder: DecoderOptions = field(default_factory=DecoderOptions)
    endpointer: EndpointerOptions = field(default_factory=EndpointerOptions)


class Recognizer:
    """See `streamer.recognition.contract.SpeechRecognizer` for the contract."""

    def __init__(
        self,
        speech: Speech,
        options: RecognizerOptions,
        *,
        fusion: Fusion | None,
        emotion: EmotionMonitor | None,
        stages: StageTimes,
        hot_words: Sequence[str] = (),
        start: StartPoint = BEGINNING,
        listener: SessionListener | None = None,
    ) -> None:
        """
        Args:
            listener: a second listener; it has a say where the LLM has.
        """
        self._listener = listener
        self.ledger = Ledger(
            options.kept_segments,
            start_sample=start.sample,
            next_word_id=start.word_id,
            next_segment_id=start.segment_id,
        )
        self._speech = speech
        self._options = options
        self._fusion = fusion
        self._emotion = emotion
        self._stages = stages
        self._hot_words = HotWords(hot_words, speech.tokenizer)
        self._hop = samples_from_ms(options.hop_ms)
        self._afresh_samples = samples_from_ms(options.afresh_every_ms)
        decoder = options.decoder
        window = samples_from_ms(decoder.max_window_ms + decoder.agreement.max_open_ms)
        self._buffer = AudioBuffer(samples_from_ms(options.buffer_ms), 2 * window, start)
        self._detector = SpeechDetector(speech.vad, start.sample)
        self._endpointer = Endpointer(FRAME_SAMPLES, options.endpointer)
        self._endpointer.jump(start.sample)
        backlogs = Backlogs(
            pause_listener=samples_from_ms(options.listener_backlog_ms),
            pause_llm=samples_from_ms(options.fused_backlog_ms),
            resume=self._hop,
        )
        self._choice = DecoderChoice(
            backlogs, has_llm=fusion is not None, has_listener=listener is not None
        )
        self._decoder: StreamingDecoder | None = None
        """Of the open segment."""
        self._audio = SegmentAudio(start.sample)
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
        if self._decoder is not None:
            yield from self._close_segment(received, cause, self._options.closing_silence_ms)
            self._endpointer.close(received)
            yield self._done()
        self._endpointer.mark(received)

    def close(self) -> None:
        self._decoder = None

    def _advance(self, target: int) -> Iterator[SessionEvent]:
        yield from self._jump_over_lost()
        if target <= self._processed:
            return
        backlog = target - self._processed
        self._buffer.claim(target)
        with span(self._stages, "vad", "asr"):
            probabilities = self._detector.probabilities(self._buffer.read(self._processed, target))
        for transition in self._endpointer.push(probabilities.tolist()):
            yield from self._apply(transition)
        if self._decoder is not None:
            yield from self._decode(self._decoder, target, backlog)
        self._processed = target
        yield self._done()

    def _jump_over_lost(self) -> Iterator[SessionEvent]:
        """Go on behind audio that an overrun took; what was committed is closed first."""
        target = self._buffer.claim_behind_loss(self._processed, FRAME_SAMPLES)
        if target is None:
            return
        if self._decoder is not None:
            yield from self._end_segment(self._decoder.committed_end, "loss")
        self._endpointer.jump(target)
        self._detector = SpeechDetector(self._speech.vad, target)
        self._processed = target

    def _apply(self, transition: Transition) -> Iterator[SessionEvent]:
        if transition.edge is Edge.START:
            opened = self.ledger.open(transition.sample)
            yield SpeechBegan(opened.id, opened.start_sample)
            self._decoder = self._new_decoder(transition.sample, transition.audio_from)
            self._audio = SegmentAudio(transition.audio_from)
        else:
            yield from self._close_segment(transition.sample, "silence")

    def _new_decoder(self, start_sample: int, audio_from: int) -> StreamingDecoder:
        return StreamingDecoder(
            self._speech,
            self._options.decoder,
            start_sample,
            self._hot_words,
            self._fusion,
            audio_from=audio_from,
            listener=self._listener,
            read=self._buffer.read,
            speech_probabilities=self._detector.between,
        )

    def _encode(
        self, decoder: StreamingDecoder, end: int, silence_ms: float, *, afresh: bool
    ) -> Audio | None:
        """The segment's window up to `end` and so much silence; None if it is too short."""
        afresh = afresh or self._audio.fresh_until + self._afresh_samples <= end
        if afresh:
            decoder.forget_prefix()
        request = self._audio.request(
            self._buffer.read,
            decoder.window_start,
            end,
            silence_samples=samples_from_ms(silence_ms),
            afresh=afresh,
        )
        with span(self._stages, "encode", "asr"):
            return self._speech.encode(request)

    def _decode(self, decoder: StreamingDecoder, end: int, backlog: int) -> Iterator[SessionEvent]:
        if self._emotion is not None:
            self._emotion.start(self._buffer.read, self._segment_start(), end)
        pause = self._endpointer.pause_end
        if pause is None:
            yield from self._decode_speech(decoder, end, backlog)
        elif decoder.end_decoded_at != pause:
            yield from self._decode_pause(decoder, pause, end, backlog)
        yield from self._collect_emotion()
        if end - self._segment_start() >= samples_from_ms(self._options.max_segment_ms):
            yield from self._split_segment(decoder)

    def _decode_speech(
        self, decoder: StreamingDecoder, end: int, backlog: int
    ) -> Iterator[SessionEvent]:
        """A step while somebody speaks."""
        audio = self._encode(decoder, end, self._options.step_silence_ms, afresh=False)
        if audio is None:
            return
        with span(self._stages, "decode", "asr"):
            decoder.draft(audio, end)
        yield from self._choose_decoder(backlog)
        if not self._choice.fused:
            with span(self._stages, "commit", "asr"):
                committed = decoder.commit_by_agreement(end)
            self._processed = end
            yield self._words(decoder, committed)
            return
        # The new audio is on the screen; what follows only decides on commits.
        self._processed = end
        yield self._words(decoder, ())
        if decoder.at_commit_point(end):
            with span(self._stages, "fuse", "asr"):
                committed = decoder.commit_by_fusion(audio, end)
            yield self._words(decoder, committed)

    def _decode_pause(
        self, decoder: StreamingDecoder, pause: int, end: int, backlog: int
    ) -> Iterator[SessionEvent]:
        """The first step of a pause: decode as if the segment ended there, as it may."""
        yield from self._choose_decoder(backlog)
        if self._decode_end(decoder, pause, silence_ms=0):
            committed = decoder.commit_at_pause()
            self._processed = end
            yield self._words(decoder, committed)

    def _decode_end(self, decoder: StreamingDecoder, end: int, silence_ms: float) -> bool:
        """Decode up to `end` for good; whether there was enough audio to."""
        audio = self._encode(decoder, end, silence_ms, afresh=True)
        if audio is None:
            return False
        fused = self._choice.fused
        with span(self._stages, "fuse" if fused else "decode", "asr"):
            decoder.decode_end(audio, end, fused=fused)
        return True

    def _choose_decoder(self, backlog: int) -> Iterator[SessionEvent]:
        changed = self._choice.update(backlog)
        if changed is not None:
            yield changed
        if self._decoder is not None:
            self._decoder.listening = self._choice.listening

    def _close_segment(self, end: int, cause: str, silence_ms: float = 0) -> Iterator[SessionEvent]:
        if (decoder := self._decoder) is None:
            return
        if decoder.end_decoded_at == end or self._decode_end(decoder, end, silence_ms):
            yield self._words(decoder, decoder.finish())
        yield from self._end_segment(end, cause)

    def _end_segment(self, end: int, cause: str) -> Iterator[SessionEvent]:
        emotion = None
        if self._emotion is not None and self.ledger.open_segment is not None:
            start = self._segment_start()
            if self.ledger.open_segment.words and self._buffer.start <= start:
                emotion = self._emotion_of(start, end)
            else:
                self._emotion.collect()
        self._decoder = None
        yield SegmentClosed(self.ledger.close(end, emotion), cause)

    def _split_segment(self, decoder: StreamingDecoder) -> Iterator[SessionEvent]:
        """Close the ledger's segment behind its last committed word; decoding goes on."""
        open_segment = self.ledger.open_segment
        if open_segment is None or not open_segment.words:
            return
        end = open_segment.words[-1].end_sample
        emotion = self._emotion_of(open_segment.start_sample, end)
        yield SegmentClosed(self.ledger.close(end, emotion), "length")
        self.ledger.open(end)
        yield self._words(decoder, ())

    def _collect_emotion(self) -> Iterator[SessionEvent]:
        update = self._emotion.collect() if self._emotion is not None else None
        if update is not None:
            yield update

    def _emotion_of(self, start: int, end: int) -> Emotion | None:
        """The emotion of a segment that ends."""
        if self._emotion is None:
            return None
        return self._emotion.segment(self._buffer.read, start, end)

    def _words(self, decoder: StreamingDecoder, committed: Sequence[RecognizedWord]) -> WordsUpdate:
        words = self.ledger.commit(committed)
        tentative = self.ledger.set_tentative(decoder.tentative)
        return WordsUpdate(self._segment_id(), words, tentative)

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
