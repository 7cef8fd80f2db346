"""What a server counts, for Prometheus. Every server has its own registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from streamer.runtime.deadline_executor import DeadlineExecutor

_LAG_BUCKETS_S: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 20.0)
_STAGE_BUCKETS_S: Final = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class ServerMetrics:
    """Counters of one server. Event loop only, but `render` reads the engine's queue."""

    content_type: Final = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, executor: DeadlineExecutor, replica: str | None = None) -> None:
        """`replica`: a label of all that is told, where there are several servers."""
        self._replica = replica
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.places = Gauge(
            "streamer_places", "Sessions that may be open at once.", registry=self.registry
        )
        self.places_taken = Gauge(
            "streamer_places_taken", "Of them, how many are.", registry=self.registry
        )
        self.sessions_active = Gauge(
            "streamer_sessions_active", "Sessions that are open now.", registry=self.registry
        )
        self.sessions = Counter(
            "streamer_sessions", "Sessions that were opened.", registry=self.registry
        )
        self.sessions_parked = Gauge(
            "streamer_sessions_parked",
            "Open sessions whose connection broke and that may be resumed.",
            registry=self.registry,
        )
        self.sessions_resumed = Counter(
            "streamer_sessions_resumed", "Times a session was resumed.", registry=self.registry
        )
        self.followers = Gauge(
            "streamer_followers", "Clients that follow a session.", registry=self.registry
        )
        self.rejected = Counter(
            "streamer_sessions_rejected",
            "Connections turned away, by error code.",
            ["code"],
            registry=self.registry,
        )
        self.errors = Counter(
            "streamer_errors", "Errors told to clients, by code.", ["code"], registry=self.registry
        )
        self.audio_seconds = Counter(
            "streamer_audio_seconds", "Audio received.", registry=self.registry
        )
        self.dropped_bytes = Counter(
            "streamer_dropped_bytes",
            "Bytes of other protocols' audio that were part of no sample.",
            registry=self.registry,
        )
        self.words = Counter("streamer_words_committed", "Words.", registry=self.registry)
        self.lost_samples = Counter(
            "streamer_lost_samples",
            "16 kHz samples that were not transcribed, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.lag = Histogram(
            "streamer_lag_seconds",
            "Age of the oldest unprocessed audio, at the end of every step.",
            buckets=_LAG_BUCKETS_S,
            registry=self.registry,
        )
        self.stage = Histogram(
            "streamer_stage_seconds",
            "Duration of each stage of a step.",
            ["stage"],
            buckets=_STAGE_BUCKETS_S,
            registry=self.registry,
        )
        queue_depth = Gauge(
            "streamer_queue_depth", "Steps waiting for a thread.", registry=self.registry
        )
        queue_depth.set_function(lambda: executor.queued)

    def observe_stages(self, stages_ms: Mapping[str, float]) -> None:
        for stage, duration_ms in stages_ms.items():
            self.stage.labels(stage).observe(duration_ms / 1000)

    def refused(self, code: str) -> float:
        """Clients that were turned away so far, with an error code."""
        labels = {"code": code}
        return self.registry.get_sample_value("streamer_sessions_rejected_total", labels) or 0.0

    def render(self) -> bytes:
        """The text exposition format."""
        if self._replica is None:
            return generate_latest(self.registry)
        return exposition(labelled(self.registry.collect(), replica=self._replica))


def labelled(metrics: Iterable[Metric], **labels: str) -> Iterator[Metric]:
    """The same with further labels on every sample."""
    for metric in metrics:
        told = Metric(metric.name, metric.documentation, metric.type, metric.unit)
        told.samples = [
            sample._replace(labels={**sample.labels, **labels}) for sample in metric.samples
        ]
        yield told


def exposition(metrics: Iterable[Metric]) -> bytes:
    """In the text format: those of the same name, which may be of several servers, together."""
    by_name: dict[str, Metric] = {}
    for metric in metrics:
        if metric.name in by_name:
            by_name[metric.name].samples.extend(metric.samples)
        else:
            by_name[metric.name] = metric
    return generate_latest(_Collected(list(by_name.values())))


class _Collected(CollectorRegistry):
    """What was collected before."""

    def __init__(self, metrics: list[Metric]) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)
