"""What the small models do on a card: right words, overlap, time of a step, sessions, memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final

import numpy as np

from benchmarks.gpu.sessions import HOP, Codes, Models, Session, hear_all, step_together
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.decoding.sources.card_speech import CardSpeech
from streamer.models.card.device import Timeline
from streamer.models.card.slots import slot_bytes
from streamer.runtime.batcher import Batcher

HOP_S: Final = HOP / SAMPLE_RATE
MAX_LAG_MS: Final = 300.0
LANE_THREADS: Final = 8

Span = tuple[str, str, float, float]


@dataclass(frozen=True)
class Bundle:
    """The recordings, and the words that a CPU found in each."""

    codes: Sequence[Codes]
    expected: Sequence[str]

    @property
    def minute(self) -> Floats:
        return np.concatenate(list(self.codes)).astype(np.float32) / np.float32(32_767)


def correctness(models: Models, bundle: Bundle) -> dict[str, Any]:
    """Words beside those of a CPU in float32."""
    found = hear_all(models, bundle.codes)
    pairs = [
        (ours.split(), theirs.split()) for ours, theirs in zip(found, bundle.expected, strict=True)
    ]
    return {
        "recordings": len(pairs),
        "equal": sum(ours == theirs for ours, theirs in pairs),
        "different": [
            {"card": " ".join(ours), "cpu": " ".join(theirs)}
            for ours, theirs in pairs
            if ours != theirs
        ],
    }


def overlap(
    models: Models, bundle: Bundle, n_sessions: int, rounds: int, warm_steps: int
) -> dict[str, Any]:
    """Encoder and emotion at the same time, by the card's own events."""
    sessions = _sessions(bundle, n_sessions)
    for _ in range(warm_steps):
        step_together(models, sessions)
    windows = [session.emotion() for session in sessions]
    models.emotion.probabilities_together(windows)
    timeline = Timeline(models.card)
    queues = (models.speech.speech_queue, models.emotion_queue)
    for queue in queues:
        queue.timeline = timeline
    with ThreadPoolExecutor(2) as pool:
        for _ in range(rounds):
            for session in sessions:
                session.advance()
            requests = [session.encode() for session in sessions]
            beside = pool.submit(models.emotion.probabilities_together, windows)
            models.speech.encoder.encode(requests)
            beside.result()
    for queue in queues:
        queue.timeline = None
    spans = timeline.spans()
    ours, others = ([span for span in spans if span[0] == q.name] for q in queues)
    both = sum(max(0.0, min(a[3], b[3]) - max(a[2], b[2])) for a in ours for b in others)
    shorter = min(sum(s[3] - s[2] for s in part) for part in (ours, others))
    return {
        "sessions": n_sessions,
        "encoder_ms": round(sum(s[3] - s[2] for s in ours) / rounds, 3),
        "emotion_ms": round(sum(s[3] - s[2] for s in others) / rounds, 3),
        "share_of_the_shorter_that_overlaps": round(both / shorter, 3) if shorter else None,
        "trace": _trace(spans),
    }


def step_times(
    models: Models,
    bundle: Bundle,
    counts: Sequence[int],
    steps: int,
    warm_steps: int,
    left_s: Callable[[], float],
) -> list[dict[str, Any]]:
    """All sessions step at the same moment: detector, encoder, draft."""
    rows = []
    for count in counts:
        if left_s() < 10:
            break
        sessions = _sessions(bundle, count)
        for _ in range(warm_steps):  # windows grow, graphs are captured
            step_together(models, sessions)
        timeline = Timeline(models.card)
        models.speech.speech_queue.timeline = timeline
        took = []
        for _ in range(steps):
            began = time.perf_counter()
            step_together(models, sessions)
            took.append(1e3 * (time.perf_counter() - began))
        models.speech.speech_queue.timeline = None
        busy = sum(span[3] - span[2] for span in timeline.spans())
        p50, p95 = np.percentile(took, (50, 95))
        rows.append(
            {
                "sessions": count,
                "step_ms": {"p50": round(float(p50), 2), "p95": round(float(p95), 2)},
                "queue_busy_share": round(busy / sum(took), 3),
                "keeps_up": bool(p95 <= 1e3 * HOP_S),
            }
        )
    return rows


def real_time(
    models: Models,
    bundle: Bundle,
    counts: Sequence[int],
    seconds: float,
    left_s: Callable[[], float],
) -> list[dict[str, Any]]:
    """Sessions on threads of their own, in real time, through the lanes of a real server; up to the
    first count whose lag is too much."""
    rows: list[dict[str, Any]] = []
    for count in counts:
        if left_s() < 3 * seconds + 5:
            break
        rows.append(_real_time(models, bundle, count, seconds))
        if rows[-1]["lag_ms"]["p95"] > MAX_LAG_MS:
            break
    return rows


def _real_time(models: Models, bundle: Bundle, count: int, seconds: float) -> dict[str, Any]:
    batcher = Batcher(LANE_THREADS, "model")
    speech = CardSpeech(models.speech, models.tokenizer).serve(batcher, max_batch=1)
    emotions = batcher.lane(
        models.emotion.probabilities_together, max_batch=64, exclusive=True, waits=True
    )
    lags: list[float] = []
    failed: list[str] = []
    timeline = Timeline(models.card)
    queues = (models.speech.speech_queue, models.emotion_queue)
    start = time.perf_counter() + 0.5
    warm = start + seconds

    def live(session: Session, phase: float) -> None:
        due = start + phase
        try:
            while due < warm + seconds:
                time.sleep(max(0.0, due - time.perf_counter()))
                asked = session.advance()
                _, h, c = speech.vad.run(asked.frames, asked.h, asked.c)
                session.keep(h, c)
                wants = session.wants_emotion
                felt = emotions.submit(session.emotion()) if wants else None
                audio = speech.encode(session.encode())
                if audio is not None:
                    draft = speech.draft(session.draft(audio))  # type: ignore[arg-type]
                    session.take(audio, draft)  # type: ignore[arg-type]
                if felt is not None:
                    felt.result()
                if due >= warm:
                    lags.append(1e3 * (time.perf_counter() - due))
                due += HOP_S
        except Exception as error:  # noqa: BLE001  one session's failure is a figure
            failed.append(f"{type(error).__name__}: {error}")

    threads = [
        threading.Thread(target=live, args=(session, HOP_S * at / count), daemon=True)
        for at, session in enumerate(_sessions(bundle, count))
    ]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, warm - time.perf_counter()))
    for queue in queues:
        queue.timeline = timeline
    for thread in threads:
        # Who falls behind does not hold up the others' figures for ever.
        thread.join(max(0.1, warm + 2 * seconds + 5 - time.perf_counter()))
    stuck = sum(thread.is_alive() for thread in threads)
    for queue in queues:
        queue.timeline = None
    took_ms = 1e3 * (time.perf_counter() - warm)
    spans = timeline.spans()
    batcher.close()
    p50, p95 = np.percentile(lags or [1e6], (50, 95))
    return {
        "sessions": count,
        "lag_ms": {"p50": round(float(p50), 1), "p95": round(float(p95), 1)},
        "failed": len(failed) + stuck,
        "errors": sorted(set(failed))[:3],
        "card_busy_share": round(_union_ms(spans) / took_ms, 3),
    }


def memory(models: Models) -> dict[str, Any]:
    """A session's place on the card."""
    return {
        "place_mb": round(slot_bytes(models.speech.pools.config, models.card.dtype) / 1e6, 2),
        "free_bytes": models.card.free_bytes(),
        "places": models.speech.pools.n_slots,
    }


def _sessions(bundle: Bundle, count: int) -> list[Session]:
    minute = bundle.minute
    twice = np.concatenate([minute, minute])
    draw = np.random.default_rng(count)
    starts = draw.integers(0, len(minute), count).tolist()
    return [Session(twice, start, at) for at, start in enumerate(starts)]


def _union_ms(spans: Sequence[Span]) -> float:
    total, until = 0.0, -float("inf")
    for _, _, start, end in sorted(spans, key=lambda span: span[2]):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _trace(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """The first of them, for Perfetto: a row for each queue."""
    rows = {name: i for i, name in enumerate(dict.fromkeys(span[0] for span in spans))}
    return [
        {
            "ph": "X", "pid": 1, "tid": rows[queue], "name": f"{queue}: {name}",
            "ts": round(1e3 * start, 1), "dur": round(1e3 * (end - start), 1),
        }
        for queue, name, start, end in islice(spans, 40)
    ]  # fmt: skip


def growing(most: int) -> list[int]:
    """Counts of sessions to try."""
    steps = cycle((1.5, 4 / 3))
    counts, count = [], 64.0
    while count < most:
        counts.append(int(count))
        count *= next(steps)
    return [*counts, most]
