"""Drives one recognizer: audio in on the event loop, steps on the engine, events out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.clock import SAMPLE_RATE
from streamer.protocol.messages import MAX_CHANNELS
from streamer.recognition.contract import SessionChange, SpeechRecognizer
from streamer.runtime.bounded_queue import BoundedQueue
from streamer.runtime.deadline_executor import DeadlineExecutor, EngineClosedError
from streamer.runtime.faults import fault_line
from streamer.runtime.tracing import LatencyTrace
from streamer.session.arrivals import Arrivals
from streamer.session.failure import SessionFailedError, failure_by
from streamer.session.limits import SessionLimits
from streamer.session.pace import Pace
from streamer.session.report import Report
from streamer.transcript.events import AudioLost, AudioPaused, Finalized, SessionEvent, StepDone

logger = logging.getLogger(__name__)

_SKIP_SAMPLES: Final = SAMPLE_RATE
_POLL_S: Final = 0.1
_MAX_CLOCK_SKEW_MS: Final = 60_000.0


class Session:
    """One stream of audio through one recognizer. Use as `async with`; leaving aborts.

    All methods belong on the event loop. The recognizer is closed exactly once, after its last
    step has ended, whatever happens.
    """

    def __init__(
        self,
        recognizer: SpeechRecognizer,
        executor: DeadlineExecutor,
        limits: SessionLimits | None = None,
        trace: LatencyTrace | None = None,
    ) -> None:
        self._recognizer = recognizer
        self._executor = executor
        self._limits = limits or SessionLimits()
        self.trace = trace or LatencyTrace()
        self._outbox: BoundedQueue[Report] = BoundedQueue(self._limits.outbox_events)
        self._arrivals = Arrivals()
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        self._stepping = asyncio.Lock()
        self._finalizing: list[asyncio.Future[None]] = []
        self._stopping = False
        self._ended = False
        self._closed = False
        self._pace = Pace(self._limits, recognizer.received_samples)
        self._newest_audio_s: float | None = None
        """None: none has come since the last pause was told."""
        self.connected = True
        """Whether a client is there, so that no audio means that it is silent."""
        self._totals = (0, 0, 0)
        self._driver: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Session:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.abort()

    def start(self) -> None:
        """Let steps run; whoever calls this, and not `async with`, must `abort` in the end."""
        self._driver = asyncio.create_task(self._drive())

    def __aiter__(self) -> AsyncIterator[Report]:
        """Events as they come, to the last one after `stop`.

        Raises:
            SessionFailedError: the recognizer broke; everything before it has been given.
        """
        return aiter(self._outbox)

    @property
    def received_samples(self) -> int:
        return self._snapshot()[0]

    @property
    def processed_samples(self) -> int:
        return self._snapshot()[1]

    @property
    def lost_samples(self) -> int:
        return self._snapshot()[2]

    @property
    def lag_ms(self) -> float:
        """Age of the oldest audio that has arrived but has not been processed."""
        return self._arrivals.age_ms(time.monotonic())

    @property
    def overdue_ms(self) -> float:
        """`lag_ms` while a step is due; what is left over for the next step is no one's fault."""
        return self.lag_ms if not self._closed and self._recognizer.due() else 0.0

    def feed(self, samples: npt.NDArray[np.float32], capture_time_ms: float = 0.0) -> None:
        """Take 16 kHz samples; never blocks. Ignored once the session is ending.

        Args:
            samples: `[frames]`, or `[frames, channels]` where there are several; -1 … 1.
            capture_time_ms: of the first sample, Unix epoch, client's clock; 0 if unknown.
        """
        if self._stopping or self._ended or len(samples) == 0:
            return
        now_s = time.monotonic()
        self._newest_audio_s = now_s
        start_sample = self._recognizer.received_samples
        for lost in self._recognizer.accept(samples):
            if samples.ndim == 1:  # another channel may still have it
                self._arrivals.forget_before(lost.start_sample + lost.n_samples)
            self._report_loss(lost)
        self._arrivals.add(start_sample, start_sample + len(samples), now_s, capture_time_ms)
        self._pace.arrived(now_s, start_sample + len(samples))
        self._wake.set()

    async def skip(self, n_samples: int, reason: str) -> None:
        """Advance the clock over audio that never arrived, in pieces that fit the buffer."""
        holes: dict[int, AudioLost] = {}
        while n_samples > 0:
            await self.room()
            piece = min(n_samples, _SKIP_SAMPLES)
            async with self._stepping:  # only `accept` may run beside a step
                if self._stopping or self._ended:
                    break
                losses = self._recognizer.skip(piece, reason)
            for lost in losses:
                if lost.reason == reason:
                    hole = holes.get(lost.channel, replace(lost, n_samples=0))
                    whole = hole.n_samples + lost.n_samples
                    holes[lost.channel] = replace(hole, n_samples=whole)
                else:
                    self._report_loss(lost)
            n_samples -= piece
            self._wake.set()
        for hole in holes.values():
            self._report_loss(hole)

    async def room(self) -> None:
        """Wait while more audio is unprocessed than the session should hold (see the limits)."""
        while not self._ended and self._must_hold_back():
            self._progress.clear()
            try:
                # Live audio stops being ahead of real time by the mere passing of time.
                async with asyncio.timeout(_POLL_S):
                    await self._progress.wait()
            except TimeoutError:
                continue

    async def finalize(self) -> None:
        """Close the open segment over all audio fed so far; returns when that is done, with a
        `Finalized` behind all that came of it.

        Returns at once if the session is ending, which finalizes anyway.
        """
        if self._stopping or self._ended:
            return
        done = asyncio.get_running_loop().create_future()
        self._finalizing.append(done)
        self._wake.set()
        await done

    async def change(self, change: SessionChange) -> None:
        """For all that is not committed when this returns. Ignored once the session is ending."""
        async with self._stepping:
            if not self._closed:
                self._recognizer.change(change)

    def stop(self) -> None:
        """No more audio: the iteration gives what is left, finals included, and ends."""
        self._stopping = True
        self._wake.set()

    def cancel(self) -> None:
        """Give up now: no further step begins, and the iteration ends."""
        self._end(None)

    async def abort(self) -> None:
        """`cancel`, and wait until a running step has ended and the recognizer is closed."""
        self.cancel()
        if self._driver is not None:
            await asyncio.shield(self._driver)

    async def _drive(self) -> None:
        flushed = False
        try:
            while not self._ended:
                try:
                    async with asyncio.timeout(self._quiet_in_s()):
                        await self._wake.wait()
                except TimeoutError:
                    if self._quiet_in_s() == 0.0:
                        await self._end_utterance()
                self._wake.clear()
                while not self._ended and not flushed:
                    waiting, self._finalizing = self._finalizing, []
                    if self._recognizer.due():
                        self._finalizing = waiting + self._finalizing
                        thorough = self._pace.unhurried
                        await self._run("step", partial(self._recognizer.step, thorough=thorough))
                    elif waiting or self._stopping:
                        flushed = self._stopping
                        finalized = self._recognizer.received_samples
                        await self._run("finalize", self._recognizer.finalize)
                        for _ in waiting:
                            self._put(Finalized(finalized))
                        _release(waiting)
                    else:
                        break
                if flushed:
                    self._end(None)
        except EngineClosedError:
            self._end(SessionFailedError("the server is shutting down; connect again"))
        except Exception as error:  # noqa: BLE001 - whatever broke, it ends this session alone
            logger.error("the recognizer failed: %s", fault_line(error))
            self._end(failure_by(error))
        finally:
            self._totals = self._snapshot()
            self._closed = True
            self._recognizer.close()

    async def _run(self, name: str, work: Callable[[], Iterator[SessionEvent]]) -> None:
        """Run one pass on the engine; its events reach the outbox while it runs."""
        await self._outbox.room()
        loop = asyncio.get_running_loop()
        covered_from = self._recognizer.processed_samples
        finalized = self._recognizer.received_samples if name == "finalize" else 0

        def job() -> tuple[int, int]:
            started_ns = time.perf_counter_ns()
            if not self._ended:
                for event in work():
                    loop.call_soon_threadsafe(self._report, event, covered_from)
            return started_ns, time.perf_counter_ns()

        async with self._stepping:
            if self._ended:
                return
            deadline = self._arrivals.oldest_s()
            queued_ns = time.perf_counter_ns()
            started_ns, ended_ns = await self._executor.run(
                time.monotonic() if deadline is None else deadline, job
            )
        self.trace.stage("dequeue", "queue", queued_ns, started_ns)
        self.trace.add(name, "session", started_ns, ended_ns)
        # What a finalize leaves over, less than a frame of the models, waits for more audio.
        self._arrivals.forget_before(max(finalized, self._recognizer.processed_samples))
        self._progress.set()

    def _report(self, event: SessionEvent, covered_from: int) -> None:
        capture_to_emit_ms = None
        if isinstance(event, StepDone):
            self.trace.stats.record_all(event.stages_ms)
            captured_ms = self._arrivals.captured_ms(covered_from)
            if captured_ms is not None:
                age_ms = time.time() * 1000 - captured_ms
                if 0 <= age_ms <= _MAX_CLOCK_SKEW_MS:
                    capture_to_emit_ms = age_ms
            self._arrivals.forget_before(event.processed_sample)
        self._put(event, capture_to_emit_ms)

    def _put(self, event: SessionEvent, capture_to_emit_ms: float | None = None) -> None:
        self._outbox.put(self._reported(event, capture_to_emit_ms))

    def _reported(self, event: SessionEvent, capture_to_emit_ms: float | None = None) -> Report:
        return Report(event, self.lag_ms, time.perf_counter_ns(), capture_to_emit_ms)

    def _report_loss(self, lost: AudioLost) -> None:
        """Losses of a channel that follow each other become one, so that a client that does not
        read cannot make them pile up."""
        self._outbox.merge(self._reported(lost), _joined_losses, MAX_CHANNELS)

    def _must_hold_back(self) -> bool:
        received, processed, _ = self._snapshot()
        if not self._closed and not self._recognizer.due():
            return False  # nothing goes on until more comes
        return self._pace.must_wait(time.monotonic(), received, processed)

    def _quiet_in_s(self) -> float | None:
        """Until the client is taken to have paused; None if it cannot tell."""
        if self._limits.recording or not self.connected or self._newest_audio_s is None:
            return None
        return max(0.0, self._newest_audio_s + self._limits.quiet_s - time.monotonic())

    async def _end_utterance(self) -> None:
        """Time without audio is time too: what was said before the pause becomes final."""
        self._newest_audio_s = None
        await self._run("finalize", partial(self._recognizer.finalize, "silence"))
        self._put(AudioPaused(self._recognizer.received_samples))

    def _snapshot(self) -> tuple[int, int, int]:
        if self._closed:
            return self._totals
        recognizer = self._recognizer
        return recognizer.received_samples, recognizer.processed_samples, recognizer.lost_samples

    def _end(self, error: SessionFailedError | None) -> None:
        self._ended = True
        self._outbox.close(error)
        _release(self._finalizing)
        self._wake.set()
        self._progress.set()


def _joined_losses(earlier: Report, later: Report) -> Report | None:
    before, lost = earlier.event, later.event
    if not (isinstance(before, AudioLost) and isinstance(lost, AudioLost)):
        return None
    whole = replace(lost, start_sample=before.start_sample, n_samples=before.n_samples)
    if whole != before or before.start_sample + before.n_samples != lost.start_sample:
        return None
    return replace(earlier, event=replace(before, n_samples=before.n_samples + lost.n_samples))


def _release(waiting: list[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
    waiting.clear()
