"""When the models' passes run on a card, as rows of the server's trace: whether they run side by
side shows there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from streamer.runtime.tracing import SpanSink

if TYPE_CHECKING:  # PyTorch takes seconds to import
    from streamer.models.card.device import Queue


@runtime_checkable
class OnCard(Protocol):
    """A model with queues on a card."""

    @property
    def queues(self) -> tuple[Queue, ...]: ...


def trace_queues(models: Iterable[object], open_sink: Callable[[str], SpanSink]) -> None:
    """Write down the passes of those models that are on a card, until the end.

    Args:
        open_sink: gives what takes the spans of one device, by its name.
    """
    queues = [queue for model in models if isinstance(model, OnCard) for queue in model.queues]
    if not queues:
        return
    from streamer.models.card.live_timeline import LiveTimeline

    sinks: dict[str, SpanSink] = {}

    def told(device: str) -> Callable[[str, str, int, int], None]:
        sink = sinks.get(device) or sinks.setdefault(device, open_sink(device))
        # A pass is a method: its model's name says enough.
        return lambda queue, name, start, end: sink.add(name.split(".")[0], queue, start, end)

    for queue in queues:
        queue.timeline = LiveTimeline(queue.card, told(str(queue.card.device)))
