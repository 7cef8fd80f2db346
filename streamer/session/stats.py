"""What one session has delivered so far, for its heartbeat, its `bye` and the metrics."""

from __future__ import annotations

import time

from streamer.audio.clock import ms_from_samples
from streamer.protocol.messages import ByeEvent, LatencyEvent, Percentiles
from streamer.recognition.contract import BEGINNING, StartPoint
from streamer.runtime.metrics import ServerMetrics
from streamer.session.report import Report
from streamer.session.session import Session
from streamer.transcript.events import AudioLost, SegmentClosed, StepDone, WordsUpdate


class SessionStats:
    """Counts the reports of one session."""

    def __init__(
        self, session: Session, metrics: ServerMetrics, start: StartPoint = BEGINNING
    ) -> None:
        self._session = session
        self._metrics = metrics
        self._words = start.word_id
        self._segments = start.segment_id
        self._step_ms: dict[str, float] = {}
        self._capture_to_emit_ms: float | None = None

    def count(self, report: Report) -> None:
        event = report.event
        if isinstance(event, WordsUpdate):
            self._words += len(event.committed)
            self._metrics.words.inc(len(event.committed))
        elif isinstance(event, SegmentClosed):
            self._segments += bool(event.segment.words)
        elif isinstance(event, AudioLost):
            self._metrics.lost_samples.labels(event.reason).inc(event.n_samples)
        elif isinstance(event, StepDone):
            self._step_ms = event.stages_ms
            self._capture_to_emit_ms = report.capture_to_emit_ms
            self._metrics.lag.observe(report.lag_ms / 1000)
            self._metrics.observe_stages(event.stages_ms)

    def emitted(self, report: Report) -> None:
        """The report's event has just been handed to the socket."""
        sent_ns = time.perf_counter_ns()
        emit_ms = self._session.trace.stage("emit", "emit", report.made_ns, sent_ns)
        self._metrics.observe_stages({"emit": emit_ms})

    def latency(self, acknowledged_offset: int | None = None) -> LatencyEvent:
        session = self._session
        return LatencyEvent(
            lag_ms=session.lag_ms,
            received_ms=ms_from_samples(session.received_samples),
            processed_ms=ms_from_samples(session.processed_samples),
            step_ms=self._step_ms,
            stages_ms={
                stage: Percentiles(p50=p.p50, p95=p.p95, p99=p.p99)
                for stage, p in session.trace.stats.percentiles().items()
            },
            capture_to_emit_ms=self._capture_to_emit_ms,
            acknowledged_offset=acknowledged_offset,
        )

    def bye(self, reason: str) -> ByeEvent:
        session = self._session
        return ByeEvent(
            reason=reason,
            received_ms=ms_from_samples(session.received_samples),
            processed_ms=ms_from_samples(session.processed_samples),
            lost_samples=session.lost_samples,
            segments=self._segments,
            words=self._words,
        )
