"""What scripted servers say: events, and scripts of several tests."""

from __future__ import annotations

from streamer.protocol.messages import Cause, LatencyEvent, Percentiles, SegmentEvent, WordsEvent
from streamer.protocol.words import WireEmotion, WireWord
from tests.browser.scripted_server import ScriptedSession

HAPPY = WireEmotion(label="happy", probs={"happy": 0.7, "neutral": 0.2, "sad": 0.1})


def words(text: str, state: str, first_id: int = 0) -> tuple[WireWord, ...]:
    return tuple(
        WireWord.model_validate(
            {
                "id": first_id + i,
                "text": word,
                "start_ms": 300 * (first_id + i),
                "end_ms": 300 * (first_id + i) + 250,
                "confidence": 0.9,
                "state": state,
            }
        )
        for i, word in enumerate(text.split())
    )


def update(committed: str, tentative: str, first_id: int = 0, segment_id: int = 0) -> WordsEvent:
    """A `words` event: what is committed now, from `first_id` on, and the tentative tail."""
    done = words(committed, "committed", first_id)
    tail = words(tentative, "tentative", first_id + len(done))
    return WordsEvent(segment_id=segment_id, words=done + tail, lag_ms=100)


def final(text: str, first_id: int = 0, segment_id: int = 0) -> SegmentEvent:
    said = words(text, "final", first_id)
    return SegmentEvent(
        segment_id=segment_id,
        start_ms=said[0].start_ms if said else 0,
        end_ms=said[-1].end_ms if said else 0,
        text=text,
        words=said,
        emotion=HAPPY if said else None,
        lag_ms=100,
    )


def said_by(speaker: int, segment: SegmentEvent, cause: Cause) -> SegmentEvent:
    labelled = tuple(word.model_copy(update={"speaker": speaker}) for word in segment.words)
    return segment.model_copy(update={"speaker": speaker, "words": labelled, "cause": cause})


def heartbeat(lag_ms: float) -> LatencyEvent:
    return LatencyEvent(
        lag_ms=lag_ms,
        received_ms=1000,
        processed_ms=900,
        step_ms={"encode": 50},
        stages_ms={"encode": Percentiles(p50=51, p95=93, p99=99)},
    )


async def captions_of_two_segments(session: ScriptedSession) -> None:
    await session.ready()
    await session.send(update("The sun", "shot out"))
    await session.send(final("The sun shot out"))
    await session.send(update("no <air>", "stirred", first_id=4, segment_id=1))
    await session.bye()
