"""Words by the draft, with a say for the LLM and the second listener: the way of English."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamer.audio.clock import samples_from_ms
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.decision.second_listener import SessionListener
from streamer.decoding.segment_audio import SegmentAudio
from streamer.decoding.speech import Speech
from streamer.decoding.streaming_decoder import StreamingDecoder
from streamer.decoding.words import RecognizedWord
from streamer.models.fusion.score import Fusion
from streamer.models.moonshine.contract import Audio
from streamer.recognition.decoder_choice import Backlogs, DecoderChoice
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.words.contract import Read, Sound, Told
from streamer.recognition.words.expectation import Expectation
from streamer.runtime.tracing import SpanSink, span
from streamer.transcript.events import SessionEvent


class DraftedWords:
    """See `streamer.recognition.words.contract.SessionWords`."""

    def __init__(
        self,
        speech: Speech,
        options: RecognizerOptions,
        *,
        fusion: Fusion | None,
        stages: SpanSink,
        hot_words: Sequence[str] = (),
        listener: SessionListener | None = None,
    ) -> None:
        """
        Args:
            listener: a second listener; it has a say where the LLM has.
        """
        self._speech = speech
        self._options = options
        self._fusion = fusion
        self._stages = stages
        self._hot_words = HotWords(hot_words, speech.tokenizer)
        self._listener = listener
        backlogs = Backlogs(
            pause_listener=samples_from_ms(options.listener_backlog_ms),
            pause_llm=samples_from_ms(options.fused_backlog_ms),
            resume=samples_from_ms(options.hop_ms),
        )
        self._choice = DecoderChoice(
            backlogs, has_llm=fusion is not None, has_listener=listener is not None
        )

    def begin(self, sound: Sound, start_sample: int, audio_from: int) -> DraftedSegment:
        """See `SessionWords`."""
        return DraftedSegment(
            self._new_decoder(sound, start_sample, audio_from),
            self._speech,
            self._options,
            self._choice,
            self._stages,
            sound.read,
            audio_from,
            self._fusion,
        )

    def expect(self, expectation: Expectation) -> None:
        """See `SessionWords`."""
        self._hot_words.expect(expectation.hot_words)
        if self._fusion is not None:
            self._fusion.expect(expectation.prompt)

    def _new_decoder(self, sound: Sound, start_sample: int, audio_from: int) -> StreamingDecoder:
        return StreamingDecoder(
            self._speech,
            self._options.decoder,
            start_sample,
            self._hot_words,
            self._fusion,
            audio_from=audio_from,
            listener=self._listener,
            read=sound.read,
            speech_probabilities=sound.probabilities,
        )


class DraftedSegment:
    """See `streamer.recognition.words.contract.SegmentWords`."""

    def __init__(
        self,
        decoder: StreamingDecoder,
        speech: Speech,
        options: RecognizerOptions,
        choice: DecoderChoice,
        stages: SpanSink,
        read: Read,
        audio_from: int,
        fusion: Fusion | None,
    ) -> None:
        self._decoder = decoder
        self._speech = speech
        self._options = options
        self._choice = choice
        self._stages = stages
        self._read = read
        self._fusion = fusion
        self._audio = SegmentAudio(audio_from, speech.open_stream(), speech.frame_samples)

    @property
    def tentative(self) -> tuple[RecognizedWord, ...]:
        return self._decoder.tentative

    @property
    def committed_end(self) -> int:
        return self._decoder.committed_end

    def step(self, end: int, backlog: int) -> Iterator[Told]:
        """See `SegmentWords`."""
        audio = self._draft(end)
        if audio is None:
            yield ()
            return
        yield from self._choose_decoder(backlog)
        if not self._choice.fused and not self._decoder.waits:
            with span(self._stages, "commit", "asr"):
                committed = self._decoder.commit_by_agreement(end)
            yield committed
            return
        # The new audio is on the screen; what follows only decides on commits.
        yield ()
        if self._decoder.waits:
            # Asked at the step before, it has heard beside this one. It is taken no sooner, so
            # that the same sound gives the same words however fast the machine is.
            committed = self._settled()
            audio = self._draft(end)
            yield committed
        if audio is not None and self._decoder.at_commit_point(end):
            with span(self._stages, "fuse", "asr"):
                committed = self._decoder.commit_by_fusion(audio, end)
            yield committed

    def pause(self, end: int, backlog: int) -> Iterator[Told]:
        """See `SegmentWords`. At the first step of a pause: decode as if the segment ended there,
        as it may."""
        if self._decoder.end_decoded_at == end:
            if self._decoder.waits:
                yield self._settled()
            return
        yield from self._settle()
        yield from self._choose_decoder(backlog)
        if self._decode_end(end, silence_ms=0) and not self._decoder.waits:
            yield self._decoder.commit_at_pause()

    def close(self, end: int, silence_ms: float) -> Iterator[Told]:
        """See `SegmentWords`."""
        if self._decoder.end_decoded_at != end:
            yield from self._settle()
            if not self._decode_end(end, silence_ms):
                return
        with span(self._stages, "fuse", "asr"):
            committed = self._decoder.finish()
        yield committed

    def _settle(self) -> Iterator[Told]:
        """Commit what the second listener was asked about, if anything."""
        if self._decoder.waits:
            yield self._settled()

    def _settled(self) -> tuple[RecognizedWord, ...]:
        with span(self._stages, "fuse", "asr"):
            return self._decoder.settle()

    def sentence_over(self) -> float | None:
        """See `SegmentWords`. Its words were scored a moment ago: the LLM knows all but marks."""
        words = self._decoder.tentative
        if self._fusion is None or not self._choice.fused or not words:
            return None
        return self._fusion.sentence_over(" ".join(word.text for word in words))

    def settle(self) -> Iterator[Told]:
        """See `SegmentWords`."""
        if self._decoder.end_decoded_at is not None:
            yield self._decoder.finish()

    def _draft(self, end: int) -> Audio | None:
        """Renew the tentative words with the sound up to `end`; None if there is too little."""
        audio = self._encode(end, self._options.step_silence_ms, afresh=False)
        if audio is not None:
            with span(self._stages, "decode", "asr"):
                self._decoder.draft(audio, end)
        return audio

    def _encode(self, end: int, silence_ms: float, *, afresh: bool) -> Audio | None:
        """The segment's window up to `end` and so much silence; None if it is too short."""
        afresh_samples = samples_from_ms(self._options.afresh_every_ms)
        afresh = afresh or self._audio.fresh_until + afresh_samples <= end
        if afresh:
            self._decoder.forget_prefix()
        request = self._audio.request(
            self._read,
            self._decoder.window_start,
            end,
            silence_samples=samples_from_ms(silence_ms),
            afresh=afresh,
        )
        with span(self._stages, "encode", "asr"):
            return self._speech.encode(request)

    def _decode_end(self, end: int, silence_ms: float) -> bool:
        """Decode up to `end` for good; whether there was enough audio to."""
        audio = self._encode(end, silence_ms, afresh=True)
        if audio is None:
            return False
        fused = self._choice.fused
        with span(self._stages, "fuse" if fused else "decode", "asr"):
            self._decoder.decode_end(audio, end, fused=fused)
        return True

    def _choose_decoder(self, backlog: int) -> Iterator[SessionEvent]:
        changed = self._choice.update(backlog)
        if changed is not None:
            yield changed
        self._decoder.listening = self._choice.listening
